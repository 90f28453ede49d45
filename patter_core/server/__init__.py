"""The door that carriers knock on: webhooks and media sockets, strangers kept out."""
