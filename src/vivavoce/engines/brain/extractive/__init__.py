"""The embedded brain. See `brain.py` for the order in which it judges."""

from .brain import ExtractiveBrain

__all__ = ["ExtractiveBrain"]
