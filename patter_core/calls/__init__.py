"""One call, as values and rules. Nothing here waits, and nothing here knows a wire."""
