"""Ears, models and voices: one file for each vendor."""
