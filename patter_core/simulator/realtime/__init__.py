"""A scripted OpenAI Realtime service on loopback."""
