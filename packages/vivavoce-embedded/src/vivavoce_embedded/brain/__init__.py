"""The embedded brain. See `responder.py` for the order in which it judges."""
