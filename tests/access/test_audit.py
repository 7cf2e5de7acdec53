"""Record acts that change nothing else in the store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vivavoce.access import audit
from vivavoce.store.sql import SqlStore

if TYPE_CHECKING:
    import pytest

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def test_X16_an_act_on_a_failing_disk_is_logged_and_raises_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The call is over by then, and the client must not hear that it is not."""
    act = audit.act("call_hung_up", "key_1", "rtc_1", NOW)

    async def story() -> None:
        store = await SqlStore.open(tmp_path / "vivavoce.db")
        await audit.record(store, act)
        assert (await store.acts()).data == [act]
        await store.close()  # as a disk that is gone
        await audit.record(store, act)

    with caplog.at_level("INFO", "vivavoce.audit"):
        asyncio.run(story())
    assert [record.message for record in caplog.records] == ["audit", "audit", "act_not_stored"]
    assert vars(caplog.records[-1])["target"] == "rtc_1"


def test_X16_ids_of_acts_sort_by_time() -> None:
    earlier = audit.act("key_created", "cli:ann", "key_1", datetime(2026, 11, 1, tzinfo=UTC))
    later = audit.act("key_created", "cli:ann", "key_2", NOW)
    assert earlier.id < later.id
    assert earlier.id.startswith("aud_")
