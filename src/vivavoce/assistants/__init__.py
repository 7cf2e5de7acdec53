"""What an assistant is: a folder, loaded and checked; prompts rendered for whoever calls."""

from .assistant import Assistant
from .catalogue import SHIPPED, Catalogue
from .ground import Known
from .load import load

__all__ = ["SHIPPED", "Assistant", "Catalogue", "Known", "load"]
