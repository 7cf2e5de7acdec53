"""Try the embedding models that assistants name: each once, with a question."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial

from ...assistants import Assistant
from ...config import Settings
from ...engines.boundary import contained
from ...engines.registry import AdapterNotUsableError
from ...errors import EngineError
from ...knowledge.base import Embedder
from ..adapters import Adapters
from ..catalogue import load_catalogue
from ..data_folder import DataFolder
from .base import Check, CheckContext, CheckFailedError

QUESTION = "When does it begin?"
_FIX = "Until then, its knowledge is searched by words only. See the settings of the model."


def checks(context: CheckContext) -> Mapping[str, Check]:
    """Return a check for each adapter that an assistant names, by its name."""
    uses: dict[str, list[Assistant]] = {}
    for assistant in load_catalogue(context.data):
        if (name := assistant.knowledge.embedding) is not None:
            uses.setdefault(name, []).append(assistant)
    return {
        f"embedding model {name}": partial(check_embedding, used_by)
        for name, used_by in uses.items()
    }


async def problems(settings: Settings, data: DataFolder, assistant: Assistant) -> list[str]:
    """Return why its embedding model cannot be used, and what is slow. Empty: nothing is wrong."""
    async with Adapters(settings, data) as adapters:
        try:
            told = await check_embedding([assistant], CheckContext(data, settings, adapters))
        except CheckFailedError as failed:
            return [failed.message]
    return [part for part in told.split("; ") if part.startswith("warning: ")]


async def check_embedding(uses: Sequence[Assistant], context: CheckContext) -> str:
    """Try one adapter, and count the pieces of the assistants that have no vector yet."""
    first = uses[0]
    chosen = context.adapters.chosen_embedder(first)
    assert chosen is not None, "it names an adapter"
    spec, request = chosen
    if not spec.is_installed():
        notes = " ".join(note.get("en", "") for note in spec.missing)
        raise CheckFailedError(f"is not installed, and {first.name} uses it. {notes}".strip(), _FIX)
    try:
        with contained(spec.name, message="The adapter failed."):
            told = [await spec.check(request)] if spec.check else []
            paid = spec.remote if spec.paid is None else await spec.paid(request)
        embedder = await context.adapters.embedder(first)
        if embedder is not None and (context.spend or not paid):
            told += await _use(embedder, uses)
        else:
            told.append("not used, because that may cost money (--spend uses it)")
    except AdapterNotUsableError as error:
        raise CheckFailedError(f"{error} ({first.name} uses it)", error.fix) from None
    except EngineError as error:
        raise CheckFailedError(f"{error} ({first.name} uses it)", _FIX) from None
    return "; ".join([*told, *[await _waiting(each, context.adapters) for each in uses]])


async def _use(embedder: Embedder, uses: Sequence[Assistant]) -> list[str]:
    """Embed a question twice: a first connection takes longer."""
    (vector,) = await embedder.embed([QUESTION], "query")
    began = time.perf_counter()
    await embedder.embed([QUESTION], "query")
    took_ms = (time.perf_counter() - began) * 1000
    late = [each.name for each in uses if took_ms > each.knowledge.budget_ms]
    slow = f"warning: slower than budget_ms of {', '.join(late)}" if late else ""
    told = f"embedded a question as {len(vector)} numbers in {took_ms:.0f} ms"
    return [told, slow] if slow else [told]


async def _waiting(assistant: Assistant, adapters: Adapters) -> str:
    live = await adapters.live_knowledge(assistant)
    pieces = len(live.snapshot.chunks)
    waiting = live.vectors.waiting if live.vectors is not None else pieces
    return f"{pieces - waiting} of {pieces} pieces of {assistant.name} have vectors"
