"""Calls: several channels with roles under one id, over one engine; nothing here knows of the web."""
