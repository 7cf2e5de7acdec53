"""Check the assistants of the data folder."""

from __future__ import annotations

from ..catalogue import load_catalogue
from .base import CheckContext, CheckFailedError


async def check_assistants(context: CheckContext) -> str:
    catalogue = load_catalogue(context.data)
    if catalogue.broken:
        fix = "vivavoce assistants check FOLDER lists them."
        raise CheckFailedError(f"with mistakes: {', '.join(catalogue.broken)}", fix)
    default = context.settings.calls.default_assistant
    if catalogue.get(default) is None:
        fix = "Set calls.default_assistant in vivavoce.toml."
        raise CheckFailedError(f"the default '{default}' does not exist", fix)
    return f"{', '.join(a.name for a in catalogue)} (default: {default})"
