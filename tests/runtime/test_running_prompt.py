"""Prompts of calls that run, or are being set up, when an operator changes variables."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from vivavoce.assistants import Assistant
from vivavoce.clock import now
from vivavoce.errors import StoreError
from vivavoce.runtime.running_prompt import ChoiceChanges
from vivavoce.store.base import AuditRow
from vivavoce.store.memory import MemoryStore
from vivavoce.store.memory_prompts import MemoryPrompts
from vivavoce.store.prompts import PromptRow
from vivavoce.store.variables import set_values

from ..support.fakes import FakeWire
from .test_call_setup import Place, place

GUIDE = """
name = "echo"
engine = "scripted"

[instructions]
default = "{{ city }} in {{ 60 / minutes }} parts."

[variables.city]
default = "Turin"

[variables.minutes]
type = "number"
default = 1
"""


def assistant(at: Place) -> Assistant:
    return at.built[0].assistant


def prompts(at: Place, call: int = 0) -> list[str]:
    live = at.registry.get(at.built[call].call_id)
    assert live is not None
    assert live.prompt is not None
    return [live.prompt.current.instructions]


def test_a_call_that_is_set_up_meanwhile_catches_up(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        begins = asyncio.ensure_future(at.call(FakeWire()))
        await asyncio.sleep(1.0)
        await at.variables.change(assistant(at), {"city": "Rome"}, now())
        assert await at.variables.change_running("echo") == []
        await begins
        await asyncio.sleep(0.1)
        assert prompts(at) == ["Rome in 60.0 parts."]

    place(tmp_path, story, echo=GUIDE, building_takes_s=2.0)


def test_values_that_no_prompt_can_be_rendered_with_are_refused(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire())
        with pytest.raises(Exception, match="do not go with"):
            await at.variables.change(assistant(at), {"minutes": 0}, now())
        assert (await at.variables.of("echo")).values == {}

    place(tmp_path, story, echo=GUIDE)


def test_a_call_that_cannot_be_rendered_keeps_its_prompt_and_others_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire())
        await at.call(FakeWire())
        await at.store.prompts.set_variables("echo", {"minutes": "0"}, now())  # by other hands
        assert await at.variables.change_running("echo") == []
        assert prompts(at) == ["Turin in 60.0 parts."]
        await set_values(at.store, assistant(at), {"minutes": "2"}, now())
        assert len(await at.variables.change_running("echo")) == 2
        assert prompts(at) == prompts(at, 1) == ["Turin in 30.0 parts."]

    place(tmp_path, story, echo=GUIDE)
    assert [r.message for r in caplog.records].count("variables_not_changed") == 2


def test_stored_values_that_no_longer_fit_are_ignored(tmp_path: Path) -> None:
    store = MemoryStore()
    values = {"minutes": "soon", "town": "Rome", "city": "Bari"}
    asyncio.run(store.prompts.set_variables("echo", values, now()))

    async def story(at: Place) -> None:
        await at.call(FakeWire())
        assert prompts(at) == ["Bari in 60.0 parts."]

    place(tmp_path, story, echo=GUIDE, store=store)


def test_a_prompt_that_is_not_stored_changes_nothing(tmp_path: Path) -> None:
    class Full(MemoryPrompts):
        async def add(self, row: PromptRow, act: AuditRow | None = None) -> None:
            if row.number:
                raise StoreError("disk full")
            await super().add(row, act)

    store = MemoryStore()
    store.prompts = Full(lambda name: True, lambda name, language: None, lambda act: None)

    async def story(at: Place) -> None:
        call = await at.call(FakeWire())
        live = at.registry.get(call.spec.call_id)
        assert live is not None
        assert live.prompt is not None
        with pytest.raises(StoreError):
            await live.prompt.change(now(), ChoiceChanges(variables={"city": "Rome"}))
        assert prompts(at) == ["Turin in 60.0 parts."]

    place(tmp_path, story, echo=GUIDE, store=store)
