"""The processes that a test has started, as long as they live."""

from __future__ import annotations

import psutil


def children(word: str) -> list[psutil.Process]:
    """Ours whose command line has this word. Other tests may have left some of their own."""
    found = []
    for child in psutil.Process().children():
        try:
            if word in child.cmdline():
                found.append(child)
        except psutil.Error:  # it ended while we looked
            continue
    return found
