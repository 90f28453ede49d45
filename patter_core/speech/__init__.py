"""Local ears and voice, and the marker audio that carries exact text in tests and demos."""
