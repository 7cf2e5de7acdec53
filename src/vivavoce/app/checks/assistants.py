"""Check the assistants of the data folder, and the provider keys that they name."""

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


async def check_provider_keys(context: CheckContext) -> str:
    relayed = [a for a in load_catalogue(context.data) if a.engine == "upstream"]
    keys = {a.name: a.upstream.key for a in relayed if not a.upstream_key()}
    if keys:
        sources = [f"{name} takes it from {key.env or key.file}" for name, key in keys.items()]
        raise CheckFailedError(
            f"no key for {', '.join(keys)} in this shell's environment and files",
            f"[upstream] key says where: {'; '.join(sources)}. "
            "A running server may have another environment than this shell.",
        )
    if not relayed:
        return "none are needed"
    amount = "1 assistant" if len(relayed) == 1 else f"{len(relayed)} assistants"
    return f"{amount} with another provider, each with a key here"
