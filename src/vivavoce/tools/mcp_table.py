"""The keys of a `[[tools]]` table of kind `mcp`, and the rules that they give to a server's tools.

A pattern has the form of file names: `*` is any text, and `delete_*` each name that begins so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from .. import web_address
from ..assistants.languages import ToolTexts
from ..assistants.sections import SecretSource
from ..assistants.validation import FieldProblem, wrong
from ..assistants.variables import AssistantSection
from ..core.tool_speech import ONE_MOMENT
from ..core.types import DataArguments, ToolApproval, ToolInterrupt, ToolRepeat, ToolRules
from ..web_address import InvalidAddressError
from .http_table import Headers

ANY = "*"
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")


def _server(value: str) -> str:
    try:
        return web_address.server_url(value, ("https", "http"))
    except InvalidAddressError as error:
        raise wrong(str(error)) from None


Pattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./*?-]{1,128}$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]


class McpTable(AssistantSection):
    """An MCP server, and which of its tools the assistant has."""

    name: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,64}$")
    server: Annotated[str, AfterValidator(_server)] | None = None
    command: list[str] | None = Field(None, min_length=1, max_length=100)
    headers: Headers = Field({})
    env: dict[Variable, str | SecretSource] = Field({}, max_length=50)
    prefix: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,32}$")
    allow: list[Pattern] = Field([ANY], min_length=1, max_length=200)
    approve: ToolApproval | dict[Pattern, ToolApproval] = "never"
    ask: ToolTexts = Field({})
    effects: bool | None = None
    data_arguments: DataArguments = "ask"
    timeout: float = Field(20.0, gt=0, le=600)
    say: ToolTexts | None = None
    say_after: float = Field(0.9, gt=0, le=600)
    interrupt: ToolInterrupt = "finish"
    repeat: ToolRepeat | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> McpTable:
        problems: list[FieldProblem] = []
        if (self.server is None) == (self.command is None):
            message = 'must have either server = "https://…" or command = ["…"]'
            problems.append(FieldProblem(message))
        elif self.server is None and self.headers:
            problems.append(FieldProblem("are for a server, not for a command", ("headers",)))
        elif self.command is None and self.env:
            problems.append(FieldProblem("is for a command, not for a server", ("env",)))
        if self.command is not None and not self.command[0].strip():
            problems.append(FieldProblem("must begin with a program", ("command",)))
        if problems:
            raise wrong(*problems)
        return self

    @property
    def label(self) -> str:
        """The name of the server in logs and errors."""
        if self.name:
            return self.name
        place = urlsplit(self.server).hostname or "" if self.server else ""
        return _OTHER.sub("-", place or Path((self.command or [""])[0]).stem) or "server"

    def allows(self, tool: str) -> bool:
        """Return whether the assistant has this tool, by the server's own name for it."""
        return any(fnmatchcase(tool, pattern) for pattern in self.allow)

    def spec_name(self, tool: str) -> str:
        """Return the name for the model, which has letters, digits, `_` and `-` only."""
        return self.prefix + _OTHER.sub("_", tool)

    def rules(self, tool: str, *, read_only: bool) -> ToolRules:
        """Return the rules of one tool. `read_only`: its server says that it changes nothing."""
        effects = not read_only if self.effects is None else self.effects
        return ToolRules(
            say=ONE_MOMENT if self.say is None else self.say,
            say_after_s=self.say_after,
            timeout_s=self.timeout,
            interrupt=self.interrupt,
            repeat=self.repeat or ("join" if effects else "allow"),
            approve=self._approval(tool),
            ask=self.ask,
            effects=effects,
            data_arguments=self.data_arguments,
        )

    def _approval(self, tool: str) -> ToolApproval:
        """Return the approval that the first fitting pattern asks for, `never` without one."""
        if not isinstance(self.approve, Mapping):
            return self.approve
        fitting = (who for pattern, who in self.approve.items() if fnmatchcase(tool, pattern))
        return next(fitting, "never")
