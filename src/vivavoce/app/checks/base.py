"""What a check gets and what it returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ...config import Settings
from ..adapters import Adapters
from ..data_folder import DataFolder


@dataclass(frozen=True, slots=True)
class CheckContext:
    """The installation that is checked. `data.root` may not exist yet."""

    data: DataFolder
    settings: Settings
    adapters: Adapters
    spend: bool = False  # use what may cost money too


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check. `fix` is what to do about a failure."""

    check: str
    ok: bool
    message: str
    fix: str = ""


class CheckFailedError(Exception):  # a finding, not an error of the program
    """The checked part does not work: `message` says why, `fix` what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


Check = Callable[[CheckContext], Awaitable[str]]
"""Return a line for the terminal, or raise `CheckFailedError` or a `VivavoceError`."""
