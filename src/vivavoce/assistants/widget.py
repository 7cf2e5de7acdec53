"""`[widget]` of `assistant.toml`: the websites that may show the assistant to their visitors."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from .. import web_address
from ..web_address import InvalidAddressError
from .languages import ByLanguage
from .validation import wrong
from .variables import AssistantSection


def _origin(value: str) -> str:
    try:
        return web_address.origin(value)
    except InvalidAddressError as error:
        raise wrong(str(error)) from None


class WidgetSection(AssistantSection):
    """Without origins, the assistant has no widget.

    `consent` is what a visitor reads before the microphone opens, by language. The limits count
    client secrets per minute: of all visitors, and of one address.
    """

    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        (), strict=False, max_length=100
    )
    consents: ByLanguage = Field({}, alias="consent")
    secrets_per_minute: int = Field(120, ge=1, le=100_000)
    secrets_per_minute_per_address: int = Field(12, ge=1, le=100_000)
