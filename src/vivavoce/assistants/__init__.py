"""What an assistant is: a folder, loaded and checked; prompts rendered for whoever calls."""

from .assistant import Assistant
from .catalogue import SHIPPED, Catalogue
from .load import load
from .validation import KnownNames

__all__ = ["SHIPPED", "Assistant", "Catalogue", "KnownNames", "load"]
