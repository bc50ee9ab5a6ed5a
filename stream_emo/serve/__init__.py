"""The server: calls come in over telephony protocols, events and a page go out."""
