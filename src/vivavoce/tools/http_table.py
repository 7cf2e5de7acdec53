"""The keys of a `[[tools]]` table of kind `http`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from .. import web_address
from ..assistants import parameters
from ..assistants.languages import ToolTexts
from ..assistants.sections import SecretSource
from ..assistants.validation import FieldProblem, ValidationContext, wrong
from ..assistants.variables import AssistantSection
from ..core.tool_speech import ONE_MOMENT
from ..core.types import (
    DataArguments,
    JsonObject,
    ToolApproval,
    ToolInterrupt,
    ToolRepeat,
    ToolRules,
)
from ..web_address import InvalidAddressError
from .approval_questions import unknown_names

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
IN_QUERY = ("GET", "DELETE")  # methods whose arguments stand in the address
PLACEHOLDER = re.compile(r"\{(\w+)\}")
_REQUEST = re.compile(r"([A-Z]+) (\S+)")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = ("host", "content-length", "transfer-encoding", "connection", "idempotency-key")


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A method, and a URL with the names of parameters in braces."""

    method: str
    url: str

    @property
    def names(self) -> frozenset[str]:
        return frozenset(PLACEHOLDER.findall(self.url))


def _template(value: str) -> str:
    template = parse_request(value)
    if template.method not in METHODS:
        raise wrong(f"must begin with one of {', '.join(METHODS)}")
    if PLACEHOLDER.search(template.url.partition("://")[2].partition("/")[0].partition("?")[0]):
        raise wrong("cannot have a placeholder in the name of the server")
    try:
        address = PLACEHOLDER.sub("x", template.url)
        web_address.server_url(address.partition("?")[0], ("https", "http"))
    except InvalidAddressError as error:
        raise wrong(str(error)) from None
    if urlsplit(address).fragment or "{" in address or "}" in address:
        raise wrong("has a # or a brace that does not belong to a placeholder such as {city}")
    return value


def parse_request(value: str) -> RequestTemplate:
    """Return the two parts of `GET https://…`. Raises the error of `wrong`."""
    found = _REQUEST.fullmatch(value)
    if found is None:
        raise wrong('must be a method and an address, such as "GET https://example.com/{city}"')
    return RequestTemplate(found[1], found[2])


def _are_headers(value: dict[str, str | SecretSource]) -> dict[str, str | SecretSource]:
    problems = [
        FieldProblem("is not a header that a tool can set", (name,))
        for name, text in value.items()
        if not _HEADER.fullmatch(name)
        or name.lower() in _OURS
        or (isinstance(text, str) and not (text.isascii() and text.isprintable()))
    ]
    if problems:
        raise wrong(*problems)
    return value


Headers = Annotated[
    dict[str, str | SecretSource], Field(max_length=50), AfterValidator(_are_headers)
]
"""Headers of requests. A secret is read when it is needed."""


class HttpTable(AssistantSection):
    """A tool that is one HTTP request."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str = Field(min_length=1, max_length=1024)
    parameters: JsonObject = parameters.NOTHING
    request: Annotated[str, AfterValidator(_template)]
    headers: Headers = Field({})
    sign: SecretSource | None = None
    timeout: float = Field(20.0, gt=0, le=600)
    retries: int = Field(0, ge=0, le=5)
    idempotency_key: bool = False
    say: ToolTexts | None = None
    say_after: float = Field(0.9, gt=0, le=600)
    interrupt: ToolInterrupt = "finish"
    repeat: ToolRepeat | None = None
    approve: ToolApproval = "never"
    ask: ToolTexts = Field({})
    effects: bool | None = None
    data_arguments: DataArguments = "ask"
    roles: list[str] = Field([], max_length=20)
    show: bool = True

    @field_validator("parameters", mode="plain")
    @classmethod
    def _is_a_schema(cls, value: object, info: ValidationInfo) -> JsonObject:
        return parameters.read(value, ValidationContext.of(info))

    @model_validator(mode="after")
    def _fits_together(self) -> HttpTable:
        problems = [
            FieldProblem(f"names {{{name}}}, which is not among the parameters", ("request",))
            for name in sorted(self.template.names - self._parameter_names)
        ]
        problems += [
            FieldProblem(f"names {{{name}}}, which is not among the parameters", ("ask",))
            for name in unknown_names(self.ask, self._parameter_names)
        ]
        if self.retries and self.has_effects and not self.idempotency_key:
            message = "need idempotency_key = true, or the effects happen twice"
            problems.append(FieldProblem(message, ("retries",)))
        if problems:
            raise wrong(*problems)
        return self

    @property
    def _parameter_names(self) -> set[str]:
        properties = self.parameters.get("properties")
        return set(properties) if isinstance(properties, dict) else set()

    @property
    def template(self) -> RequestTemplate:
        return parse_request(self.request)

    @property
    def has_effects(self) -> bool:
        """True unless the table says no. A `GET` has none unless the table says so."""
        return self.template.method != "GET" if self.effects is None else self.effects

    @property
    def rules(self) -> ToolRules:
        return ToolRules(
            say=ONE_MOMENT if self.say is None else self.say,
            say_after_s=self.say_after,
            timeout_s=self.timeout,
            interrupt=self.interrupt,
            repeat=self.repeat or ("join" if self.has_effects else "allow"),
            approve=self.approve,
            ask=self.ask,
            effects=self.has_effects,
            data_arguments=self.data_arguments,
            roles=tuple(self.roles),
            show=self.show,
        )
