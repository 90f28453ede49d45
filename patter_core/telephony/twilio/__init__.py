"""Twilio: the account, its REST, its webhooks and its Media Streams."""
