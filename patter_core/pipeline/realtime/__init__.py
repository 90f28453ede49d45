"""OpenAI Realtime: one socket that hears, thinks and speaks."""
