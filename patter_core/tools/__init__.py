"""Tools that the in-call agent may use: what they are, when they run, and how they answer."""
