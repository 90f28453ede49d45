"""Where intent and outcome are written."""
