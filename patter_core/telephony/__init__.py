"""Telephone companies: what we ask of any of them, and each one's wire."""
