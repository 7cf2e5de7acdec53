"""Load and check the folder of an assistant, and render its prompts for a caller."""

from .assistant import Assistant
from .catalogue import SHIPPED, Catalogue
from .load import load
from .validation import KnownNames

__all__ = ["SHIPPED", "Assistant", "Catalogue", "KnownNames", "load"]
