"""What a text agent sees: one schema, one tool, one result."""
