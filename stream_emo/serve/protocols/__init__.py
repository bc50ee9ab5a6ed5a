"""Telephony protocols, one serializer each: messages in, what they say about a call out; no I/O."""
