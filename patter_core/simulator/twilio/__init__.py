"""Twilio's side of the wire: REST, signed webhooks, TwiML and Media Streams."""
