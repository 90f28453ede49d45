"""Sums on bytes: the telephone's audio, and nothing that waits."""
