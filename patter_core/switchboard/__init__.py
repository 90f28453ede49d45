"""Carries a call out: performs what the call's machine asks for."""
