"""A self-hosted server for realtime voice assistants.

An assistant's `tools.py` imports `Call` and `tool` from here.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tools.call import Call as Call
    from .tools.functions import tool as tool

__version__ = "0.1.0"

_LATER = {"Call": "vivavoce.tools.call", "tool": "vivavoce.tools.functions"}

if not TYPE_CHECKING:  # a type checker reports a misspelt name

    def __getattr__(name: str) -> object:
        """Import a name when it is used: the command line starts without the server's libraries."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_LATER[name]), name)
