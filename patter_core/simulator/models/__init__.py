"""A scripted model on loopback, behind the HTTP APIs of several vendors."""
