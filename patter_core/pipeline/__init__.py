"""The conversation: the callee's audio in, the agent's audio out."""
