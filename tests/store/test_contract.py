"""Run the contract of the store on every implementation. A new one joins by a line in `STORES`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from vivavoce.errors import ConversationDeletedError, StoreError
from vivavoce.protocol.items import Item, Message, Part
from vivavoce.store.base import AUDIT_KEPT, Change, ItemRow, ResponseRow, SecretRow, Store
from vivavoce.store.changes import ITEM_BYTES
from vivavoce.store.memory import MemoryStore
from vivavoce.store.prompts import PromptRow
from vivavoce.store.sql import SqlStore

from .facts import (
    ALL_KINDS,
    LATER,
    NOON,
    SPOKEN,
    UNHEARD,
    Make,
    act,
    call,
    change,
    conversation,
    key,
    response,
    said,
    secret,
    tell,
)


async def memory(folder: Path) -> Store:
    return MemoryStore()


async def sqlite(folder: Path) -> Store:
    return await SqlStore.open(folder / "data" / "vivavoce.db")


STORES = [memory, sqlite]


@pytest.fixture(params=STORES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return lambda: request.param(tmp_path)


# Conversations and items


def test_committed_rows_are_read_unchanged(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.begin_call(call())
        await store.commit([Change("conv_1", tuple(ALL_KINDS), (), (response(),), LATER)])
        assert await store.items("conv_1") == ALL_KINDS
        assert {type(row.item) for row in ALL_KINDS} == set(get_args(Item)), "a kind is missing"
        assert await store.responses("rtc_1") == [response()]
        assert await store.conversation("conv_1") == replace(conversation(), updated_at=LATER)

    tell(make, story)


def test_items_are_listed_in_the_conversations_order(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.commit([change(said("item_c", position=3.0), said("item_a", position=-1.0))])
        await store.commit([change(said("item_b", position=2.5))])
        names = [row.item.id for row in await store.items("conv_1")]
        assert names == ["item_a", "item_b", "item_c"]

    tell(make, story)


def test_the_last_change_of_an_item_counts(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.commit([change(said("item_1", "one")), change(said("item_1", "two"))])
        await store.commit([change(said("item_1", "three"), said("item_2"))])
        assert await store.items("conv_1") == [said("item_1", "three"), said("item_2")]
        await store.commit([change(deleted=("item_1", "item_never"))])
        assert await store.items("conv_1") == [said("item_2")]
        await store.commit([change(deleted=("item_2",)), change(said("item_2", "again"))])
        assert await store.items("conv_1") == [said("item_2", "again")]
        await store.commit([change(said("item_3"), deleted=("item_3",))])
        assert await store.items("conv_1") == [said("item_2", "again")]

    tell(make, story)


def test_two_conversations_may_use_the_same_item_id(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation("conv_1"))
        await store.create_conversation(conversation("conv_2"))
        await store.commit(
            [change(said("item_1", "one")), change(said("item_1", "two"), of="conv_2")]
        )
        assert await store.items("conv_1") == [said("item_1", "one")]
        assert await store.items("conv_2") == [said("item_1", "two")]

    tell(make, story)


def test_updated_at_never_decreases(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation(at=NOON))
        await store.commit([Change("conv_1", at=LATER), Change("conv_1", at=NOON)])
        await store.commit([Change("conv_1", at=NOON)])
        found = await store.conversation("conv_1")
        assert found is not None
        assert (found.created_at, found.updated_at) == (NOON, LATER)

    tell(make, story)


BIG = ItemRow(
    Message(role="user", id="item_big", content=(Part(type="input_text", text="a" * ITEM_BYTES),)),
    2.0,
    NOON,
)
NOT_TEXT = said("item_torn", "half a pair: \ud800")
LOOP: dict[str, object] = {}
LOOP["loop"] = LOOP


@pytest.mark.parametrize(
    "bad",
    [
        change(BIG),
        change(NOT_TEXT),
        change(replace(said("item_2"), generated="half a pair: \ud800")),
        change(said("item_2"), of="conv_unknown"),
        Change("conv_1", responses=(response(of="rtc_unknown"),)),
        Change("conv_1", responses=(replace(response(), usage=LOOP),)),
    ],
    ids=[
        "too large",
        "not unicode",
        "not unicode besides",
        "no conversation",
        "no call",
        "no JSON",
    ],
)
def test_one_invalid_change_stores_nothing_of_its_batch(make: Make, bad: Change) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.begin_call(call())
        await store.commit([change(said("item_0"), said("item_1"))])
        good = Change("conv_1", (said("item_1", "changed"),), ("item_0",), (response(),), at=LATER)
        with pytest.raises(StoreError) as refused:
            await store.commit([good, bad])
        assert "half a pair" not in str(refused.value)
        assert await store.items("conv_1") == [said("item_0"), said("item_1")]
        assert await store.responses("rtc_1") == []
        assert await store.conversation("conv_1") == conversation()
        await store.commit([good])
        assert await store.items("conv_1") == [said("item_1", "changed")]

    tell(make, story)


def test_an_item_may_be_as_large_as_a_message(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        row = said("item_1", "ab\n" * 1_000_000)
        await store.commit([change(row)])
        assert await store.items("conv_1") == [row]

    tell(make, story)


def test_an_empty_commit_succeeds(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.commit([])
        await store.commit([Change("conv_nobody")])

    tell(make, story)


def test_concurrent_commits_of_many_calls_are_all_stored(make: Make) -> None:
    async def story(store: Store) -> None:
        for number in range(20):
            await store.create_conversation(conversation(f"conv_{number}"))
        await asyncio.gather(
            *(
                store.commit([change(said(f"item_{turn}", position=turn), of=f"conv_{number}")])
                for number in range(20)
                for turn in range(5)
            )
        )
        for number in range(20):
            assert len(await store.items(f"conv_{number}")) == 5

    tell(make, story)


def test_an_unknown_id_returns_none_or_an_empty_list(make: Make) -> None:
    async def story(store: Store) -> None:
        assert await store.conversation("conv_1") is None
        assert await store.items("conv_1") == []
        assert await store.call("rtc_1") is None
        assert await store.calls() == []
        assert await store.responses("rtc_1") == []
        assert (await store.conversations()).data == []
        assert not await store.delete_conversation("conv_1")
        await store.end_call("rtc_1", NOON, "hung_up")
        assert await store.key("key_1") is None
        assert await store.key_by_hash("aa") is None
        assert await store.keys() == []
        assert not await store.revoke_key("key_1", NOON)
        await store.touch_key("key_1", NOON)
        assert await store.secret("cs_1") is None
        assert await store.secret_by_hash("aa") is None
        assert await store.secrets() == []
        assert not await store.revoke_secret("cs_1", NOON)
        assert await store.revoked({"key_1", "cs_1"}) == set()
        assert not await store.use_code("aa", NOON)
        await store.sweep(NOON)
        await store.ping()

    tell(make, story)


def test_an_id_that_is_taken_is_refused(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation(subject="ann"))
        with pytest.raises(StoreError):
            await store.create_conversation(conversation(subject="bob"))
        found = await store.conversation("conv_1")
        assert found is not None
        assert found.subject == "ann"
        await store.begin_call(call())
        with pytest.raises(StoreError):
            await store.begin_call(call())
        with pytest.raises(StoreError):
            await store.begin_call(call("rtc_2", of="conv_unknown"))

    tell(make, story)


def test_conversations_are_paged_newest_first(make: Make) -> None:
    async def story(store: Store) -> None:
        # Some have equal times. A page must neither lose nor repeat one of them.
        for number in range(7):
            at = NOON + timedelta(seconds=number // 3)
            await store.create_conversation(conversation(f"conv_{number}", at))
        seen: list[str] = []
        before = None
        while True:
            page = await store.conversations(before=before, limit=2)
            seen += [row.id for row in page.data]
            if not page.has_more:
                break
            before = page.data[-1].id
        assert seen == [f"conv_{number}" for number in (6, 5, 4, 3, 2, 1, 0)]
        assert not (await store.conversations(limit=7)).has_more
        assert (await store.conversations(limit=6)).has_more
        last = await store.conversations(before="conv_0")
        assert (last.data, last.has_more) == ([], False)
        assert (await store.conversations(before="conv_gone")).data == []
        assert len((await store.conversations(limit=-1)).data) == 1

    tell(make, story)


def test_a_conversation_gets_a_title_and_loses_it(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation("conv_1"))
        assert await store.rename_conversation("conv_1", "The blue door")
        row = await store.conversation("conv_1")
        assert row is not None
        assert row.title == "The blue door"
        assert await store.rename_conversation("conv_1", None)
        assert (await store.conversations()).data[0].title is None
        assert not await store.rename_conversation("conv_gone", "x")

    tell(make, story)


def test_the_first_message_of_each_conversation_is_found(make: Make) -> None:
    async def story(store: Store) -> None:
        for name in ("conv_1", "conv_2", "conv_3"):
            await store.create_conversation(conversation(name))
        late, first = said("item_2", "And then?", 2048.0), said("item_1", "When?", 1024.0)
        long = said("item_0", "x" * 5000, 512.0)
        rows = (late, first, long)
        await store.commit([Change("conv_1", items=rows), Change("conv_2", items=(late,))])
        found = await store.first_messages(["conv_1", "conv_2", "conv_3", "conv_gone"])
        assert found == {"conv_1": first, "conv_2": late}
        assert await store.first_messages([]) == {}

    tell(make, story)


def test_conversations_are_found_by_their_words(make: Make) -> None:
    async def story(store: Store) -> None:
        for number, name in enumerate(("conv_1", "conv_2", "conv_3")):
            await store.create_conversation(
                conversation(name, NOON + timedelta(seconds=number), subject=name)
            )
        await store.rename_conversation("conv_3", "100% of “Città”")
        await store.commit(
            [
                Change("conv_1", items=(said("item_1", 'The blue_door says "hello"', 1024.0),)),
                Change("conv_2", items=(said("item_1", "A blue sky", 1024.0),)),
            ]
        )

        async def found(*words: str, subject: str | None = None, limit: int = 20) -> list[str]:
            page = await store.conversations(search=words, subject=subject, limit=limit)
            return [row.id for row in page.data]

        assert await found("BLUE") == ["conv_2", "conv_1"]
        assert await found("blue", limit=1) == ["conv_2"]
        assert await found("blue", subject="conv_1") == ["conv_1"]
        assert await found("door", "blue") == ["conv_1"]
        assert await found("sky", "door") == [], "no message has both"
        assert await found("blue_d") == ["conv_1"]
        assert await found("blue%") == []
        assert await found("b_ue") == []
        assert await found('"hello"') == ["conv_1"]
        assert await found("100%", "città") == ["conv_3"]
        assert await found("input_text") == [], "the name of a field"

    tell(make, story)


def test_conversations_are_listed_by_assistant_and_by_user(make: Make) -> None:
    async def story(store: Store) -> None:
        for number in range(8):
            await store.create_conversation(
                conversation(
                    f"conv_{number}",
                    NOON + timedelta(seconds=number),
                    assistant=["charlotte", "coach"][number % 2],
                    subject=["ann", None][number // 4],
                )
            )
        of_coach = await store.conversations(assistants=["coach"])
        assert [row.id for row in of_coach.data] == ["conv_7", "conv_5", "conv_3", "conv_1"]
        of_both = await store.conversations(assistants=["coach", "charlotte"], subject="ann")
        assert [row.id for row in of_both.data] == ["conv_3", "conv_2", "conv_1", "conv_0"]
        assert (await store.conversations(assistants=[])).data == []
        of_ann = await store.conversations(assistants=["charlotte"], subject="ann", limit=1)
        assert ([row.id for row in of_ann.data], of_ann.has_more) == (["conv_2"], True)
        rest = await store.conversations(assistants=["charlotte"], subject="ann", before="conv_2")
        assert ([row.id for row in rest.data], rest.has_more) == (["conv_0"], False)
        assert (await store.conversations(subject="' OR 1=1 --")).data == []

    tell(make, story)


def test_X14_a_page_before_a_foreign_row_is_empty_as_before_an_unknown_row(make: Make) -> None:
    async def story(store: Store) -> None:
        for number, (assistant, subject) in enumerate(
            [("charlotte", "ann"), ("coach", "ann"), ("charlotte", "bob"), ("charlotte", None)]
        ):
            at = NOON + timedelta(seconds=number)
            await store.create_conversation(
                conversation(f"conv_{number}", at, assistant=assistant, subject=subject)
            )
            row = call(f"rtc_{number}", f"conv_{number}", at)
            await store.begin_call(replace(row, assistant=assistant, subject=subject))
        for number in (1, 2, 3, 9):
            page = await store.conversations(
                assistants=["charlotte"], subject="ann", before=f"conv_{number}"
            )
            assert (page.data, page.has_more) == ([], False)
            rows = await store.calls(
                assistants=["charlotte"], subject="ann", before=f"rtc_{number}"
            )
            assert rows == []
        page = await store.conversations(assistants=["charlotte"], before="conv_2")
        assert [row.id for row in page.data] == ["conv_0"]

    tell(make, story)


def test_deleting_a_conversation_deletes_all_of_it_and_nothing_else(make: Make) -> None:
    async def story(store: Store) -> None:
        for number in (1, 2):
            await store.create_conversation(conversation(f"conv_{number}"))
            await store.begin_call(call(f"rtc_{number}", f"conv_{number}"))
            rows = (response(f"resp_{number}", f"rtc_{number}"),)
            await store.commit([Change(f"conv_{number}", (SPOKEN, UNHEARD), responses=rows)])
        assert await store.delete_conversation("conv_1")
        assert not await store.delete_conversation("conv_1")
        assert await store.conversation("conv_1") is None
        assert await store.items("conv_1") == []
        assert await store.call("rtc_1") is None
        assert await store.responses("rtc_1") == []
        assert await store.items("conv_2") == [SPOKEN, UNHEARD]
        assert await store.call("rtc_2") == call("rtc_2", "conv_2")
        assert await store.responses("rtc_2") == [response("resp_2", "rtc_2")]

    tell(make, story)


def test_W2_a_change_to_a_deleted_conversation_is_told_apart_from_a_failure(make: Make) -> None:
    async def story(store: Store) -> None:
        for number in (1, 2):
            await store.create_conversation(conversation(f"conv_{number}"))
        assert await store.missing_conversations({"conv_1", "conv_2", "conv_3"}) == {"conv_3"}
        await store.delete_conversation("conv_1")
        assert await store.missing_conversations(["conv_1", "conv_2"]) == {"conv_1"}
        assert await store.missing_conversations(()) == set()
        with pytest.raises(ConversationDeletedError):
            await store.commit([Change("conv_2", (SPOKEN,)), Change("conv_1", (UNHEARD,))])
        assert await store.items("conv_2") == []
        too_large = replace(SPOKEN, generated="x" * (ITEM_BYTES + 1))
        with pytest.raises(StoreError) as failed:
            await store.commit([Change("conv_2", (too_large,))])
        assert not isinstance(failed.value, ConversationDeletedError)

    tell(make, story)


def test_a_call_begins_and_ends_once(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.begin_call(call("rtc_1"))
        await store.begin_call(call("rtc_2", at=LATER))
        assert await store.calls() == [call("rtc_2", at=LATER), call("rtc_1")]
        assert await store.calls(limit=1) == [call("rtc_2", at=LATER)]
        assert await store.calls(before="rtc_2") == [call("rtc_1")]
        await store.end_call("rtc_1", LATER, "hung_up")
        await store.end_call("rtc_1", LATER + timedelta(hours=1), "expired")
        assert await store.call("rtc_1") == replace(call(), ended_at=LATER, ending="hung_up")

    tell(make, story)


def test_calls_of_one_assistant_fill_a_page(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        for number in range(6):
            assistant = "coach" if number % 2 else "charlotte"
            await store.begin_call(replace(call(f"rtc_{number}"), assistant=assistant))
        page = await store.calls(assistants=["coach"], limit=2)
        assert [row.id for row in page] == ["rtc_5", "rtc_3"]
        page = await store.calls(assistants=["coach"], before="rtc_3", limit=2)
        assert [row.id for row in page] == ["rtc_1"]
        page = await store.calls(assistants=["coach", "charlotte", "mentor"], limit=3)
        assert [row.id for row in page] == ["rtc_5", "rtc_4", "rtc_3"]
        for nothing in (["mentor"], []):
            assert await store.calls(assistants=nothing) == []


def test_calls_of_one_user_are_listed_without_the_others(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        for number, user in enumerate(("ann", "bob", None)):
            await store.begin_call(replace(call(f"rtc_{number}"), subject=user))
        assert [row.id for row in await store.calls(subject="bob")] == ["rtc_1"]
        assert await store.calls(subject="bob", assistants=["mentor"]) == []

    tell(make, story)


def test_a_response_is_stored_again_with_more_fields(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.begin_call(call())
        early = ResponseRow("resp_1", "rtc_1", "in_progress", None, None, NOON)
        for row in (early, response()):
            await store.commit([Change("conv_1", responses=(row,))])
            assert await store.responses("rtc_1") == [row]
        assert await store.latest_responses("conv_1") == [response()]
        assert await store.latest_responses("conv_gone") == []

    tell(make, story)


# Credentials


def test_a_key_is_found_by_its_hash_until_it_is_revoked(make: Make) -> None:
    async def story(store: Store) -> None:
        row = replace(key(), assistant="charlotte", expires_at=LATER)
        await store.add_key(row)
        await store.add_key(key("key_2", "bb", LATER))
        assert await store.key_by_hash("aa") == row
        assert await store.key("key_1") == row
        assert await store.key_by_hash("AA") is None
        assert await store.revoke_key("key_1", LATER)
        assert not await store.revoke_key("key_1", LATER + timedelta(days=1))
        revoked = replace(row, revoked_at=LATER)
        assert await store.key_by_hash("aa") == revoked
        assert await store.keys() == [revoked, key("key_2", "bb", LATER)]

    tell(make, story)


@pytest.mark.parametrize("twin", [key("key_1", "bb"), key("key_2", "aa")])
def test_no_two_keys_share_an_id_or_a_hash(make: Make, twin: object) -> None:
    async def story(store: Store) -> None:
        await store.add_key(key())
        with pytest.raises(StoreError):
            await store.add_key(twin)  # type: ignore[arg-type]
        assert await store.keys() == [key()]

    tell(make, story)


def test_the_latest_use_of_a_key_is_kept(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.add_key(key())
        for at in (NOON, LATER, NOON):
            await store.touch_key("key_1", at)
        assert await store.key("key_1") == replace(key(), last_used_at=LATER)

    tell(make, story)


def test_a_secret_is_found_by_hash_and_by_id(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.add_secret(secret("cs_2", "bb", minted_by=None))
        await store.add_secret(secret())
        assert await store.secret_by_hash("aa") == await store.secret("cs_1") == secret()
        assert await store.secret_by_hash("AA") is None
        assert await store.secret("aa") is None
        assert await store.secrets() == [secret(), secret("cs_2", "bb", minted_by=None)]

    tell(make, story)


@pytest.mark.parametrize("twin", [secret("cs_1", "bb"), secret("cs_2", "aa")])
def test_no_two_secrets_share_an_id_or_a_hash(make: Make, twin: SecretRow) -> None:
    async def story(store: Store) -> None:
        await store.add_secret(secret())
        with pytest.raises(StoreError):
            await store.add_secret(twin)
        assert await store.secrets() == [secret()]

    tell(make, story)


def test_a_secret_is_revoked_once(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.add_secret(secret())
        await store.add_secret(secret("cs_2", "bb"))
        assert await store.revoke_secret("cs_1", NOON)
        assert not await store.revoke_secret("cs_1", LATER)
        assert not await store.revoke_secret("cs_never", NOON)
        revoked = replace(secret(), revoked_at=NOON)
        assert await store.secret_by_hash("aa") == revoked
        assert await store.secrets() == [revoked, secret("cs_2", "bb")]

    tell(make, story)


def test_revoking_a_sign_in_revokes_its_secrets(make: Make) -> None:
    async def story(store: Store) -> None:
        rows = [
            secret("cs_1", "aa", minted_by="si_1"),
            secret("cs_2", "bb", minted_by="si_2"),
            secret("cs_3", "cc", minted_by="si_1"),
            secret("si_1", "dd", minted_by=None),
            secret("si_2", "ee", minted_by=None),
        ]
        for row in rows:
            await store.add_secret(row)
        early = NOON - timedelta(hours=1)
        assert await store.revoke_secret("cs_3", early)
        assert await store.revoke_secret("si_1", NOON)
        revoked_at = {row.id: row.revoked_at for row in await store.secrets()}
        assert revoked_at == {
            "cs_1": NOON, "cs_2": None, "cs_3": early, "si_1": NOON, "si_2": None
        }  # fmt: skip

    tell(make, story)


def test_a_minter_has_minted_only_its_own_secrets(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.add_secret(secret())
        await store.add_secret(secret("cs_2", "bb", minted_by=None))
        assert await store.has_minted("key_1", "cs_1")
        await store.revoke_secret("cs_1", NOON)
        assert await store.has_minted("key_1", "cs_1")
        assert not await store.has_minted("key_2", "cs_1")
        assert not await store.has_minted("key_1", "cs_2")
        assert not await store.has_minted("key_1", "cs_never")

    tell(make, story)


def test_revoked_credentials_are_found_among_others(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.add_key(key("key_1", "aa"))
        await store.add_key(replace(key("key_2", "bb"), expires_at=NOON))
        for row in (secret(), secret("cs_2", "bb", NOON), secret("si_1", "cc", minted_by=None)):
            await store.add_secret(row)
        asked = {"key_1", "key_2", "key_never", "cs_1", "cs_2", "cs_never", "si_1"}
        assert await store.revoked(asked) == set()  # an expired secret is not revoked
        await store.revoke_key("key_1", NOON)
        await store.revoke_secret("cs_2", NOON)
        await store.revoke_secret("si_1", NOON)
        assert await store.revoked(asked) == {"key_1", "cs_2", "si_1"}
        assert await store.revoked({"cs_1", "si_1"}) == {"si_1"}
        assert await store.revoked(set()) == set()

    tell(make, story)


@pytest.mark.parametrize("count", [1, 499, 500, 501, 5000])
def test_revoked_credentials_are_found_among_thousands(make: Make, count: int) -> None:
    async def story(store: Store) -> None:
        await store.add_key(key())
        await store.revoke_key("key_1", NOON)
        others = [f"cs_{number}" for number in range(count - 1)]
        assert await store.revoked([*others, "key_1"]) == {"key_1"}

    tell(make, story)


def test_a_store_says_once_that_something_may_be_revoked_or_deleted(make: Make) -> None:
    """Other writes of its own are no reason to look for revocations and deletions."""

    async def story(store: Store) -> None:
        assert await store.revoked_or_deleted(), "it was never asked"
        assert not await store.revoked_or_deleted()
        await store.add_key(key())
        await store.add_secret(secret())
        await store.create_conversation(conversation())
        await store.begin_call(call())
        await store.commit([change(said("item_1"))])
        await store.commit([change(deleted=("item_1",))])
        await store.touch_key("key_1", LATER)
        await store.end_call("rtc_1", LATER, "hung_up")
        await store.ping()
        assert not await store.revoked_or_deleted()
        for remove in (
            store.revoke_secret("cs_1", NOON),
            store.revoke_key("key_1", NOON),
            store.delete_conversation("conv_1"),
        ):
            assert await remove
            assert await store.revoked_or_deleted()
            assert not await store.revoked_or_deleted()

    tell(make, story)


def test_a_code_works_once_before_it_expires(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.add_code("aa", LATER)
        await store.add_code("bb", LATER)
        assert await store.use_code("aa", NOON)
        assert not await store.use_code("aa", NOON)
        assert not await store.use_code("bb", LATER)
        assert await store.use_code("bb", LATER - timedelta(microseconds=1))
        with pytest.raises(StoreError):
            await store.add_code("aa", LATER)

    tell(make, story)


def test_concurrent_uses_of_one_code_succeed_once(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.add_code("aa", LATER)
        came_in = await asyncio.gather(*(store.use_code("aa", NOON) for _ in range(20)))
        assert came_in.count(True) == 1

    tell(make, story)


def test_sweeping_deletes_used_and_expired_codes(make: Make) -> None:
    async def story(store: Store) -> None:
        for name, expires in (("old", NOON), ("good", LATER)):
            await store.add_code(name, expires)
        await store.add_code("used", LATER)
        await store.use_code("used", NOON)
        await store.sweep(NOON)
        assert not await store.use_code("old", NOON - timedelta(hours=1))
        # A deleted code may be added again, and a stored one may not.
        await store.add_code("used", LATER)
        await store.add_code("old", LATER)
        with pytest.raises(StoreError):
            await store.add_code("good", LATER)
        assert await store.use_code("good", NOON)

    tell(make, story)


def test_sweeping_keeps_a_secret_for_as_long_as_its_calls_may_last(make: Make) -> None:
    """Its call may run for a day after it expired, and revoking the secret must end the call."""

    async def story(store: Store) -> None:
        month = NOON + timedelta(days=30)
        await store.add_secret(secret("cs_expires", "aa", NOON))
        await store.add_secret(secret("cs_revoked", "bb", month))
        await store.add_secret(secret("cs_valid", "cc", month))
        await store.revoke_secret("cs_revoked", NOON)
        day, moment = timedelta(hours=24), timedelta(microseconds=1)
        await store.sweep(NOON + day - moment)
        names = [row.id for row in await store.secrets()]
        assert names == ["cs_expires", "cs_revoked", "cs_valid"]
        await store.sweep(NOON + day)
        assert [row.id for row in await store.secrets()] == ["cs_valid"]

    tell(make, story)


# The audit log


def test_X16_an_act_is_stored_with_what_it_changed(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.add_key(key(), act("aud_1"))
        await store.revoke_key("key_1", LATER, act("aud_2"))
        await store.add_secret(secret(), act("aud_3"))
        await store.revoke_secret("cs_1", LATER, act("aud_4"))
        await store.add_code("aa", LATER, act("aud_5"))
        await store.delete_conversation("conv_1", act("aud_6"))
        await store.record_act(act("aud_7"))
        page = await store.acts()
        assert page.data == [act(f"aud_{number}") for number in (7, 6, 5, 4, 3, 2, 1)]
        assert not page.has_more

    tell(make, story)


def test_X16_what_changes_nothing_leaves_no_act(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.add_key(key())
        await store.add_secret(secret())
        await store.add_code("aa", LATER)
        for refused in (
            store.add_key(key(), act("aud_1")),
            store.add_secret(secret(), act("aud_2")),
            store.add_code("aa", LATER, act("aud_3")),
        ):
            with pytest.raises(StoreError):
                await refused
        await store.revoke_key("key_1", NOON)
        await store.revoke_secret("cs_1", NOON)
        assert not await store.revoke_key("key_1", LATER, act("aud_4"))
        assert not await store.revoke_secret("cs_1", LATER, act("aud_5"))
        assert not await store.delete_conversation("conv_1", act("aud_6"))
        assert (await store.acts()).data == []

    tell(make, story)


def test_X16_acts_are_listed_by_actor_action_and_time_in_pages(make: Make) -> None:
    async def story(store: Store) -> None:
        rows = [
            act("aud_1", NOON, "key_1", "secret_minted"),
            act("aud_2", LATER, "cli:ann", "key_created"),
            act("aud_3", LATER, "key_1", "secret_revoked"),
        ]
        for row in rows:
            await store.record_act(row)
        assert (await store.acts(actor="key_1")).data == [rows[2], rows[0]]
        assert (await store.acts(action="key_created")).data == [rows[1]]
        assert (await store.acts(since=LATER)).data == [rows[2], rows[1]]
        assert (await store.acts(actor="key_1", since=LATER)).data == [rows[2]]
        first = await store.acts(limit=2)
        assert (first.data, first.has_more) == ([rows[2], rows[1]], True)
        last = await store.acts(limit=2, before="aud_2")
        assert (last.data, last.has_more) == ([rows[0]], False)
        assert (await store.acts(actor="key_1", before="aud_2")).data == []  # not among them
        with pytest.raises(StoreError):
            await store.record_act(rows[0])

    tell(make, story)


def test_X16_sweeping_deletes_acts_of_long_ago(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.record_act(act("aud_1", NOON))
        await store.record_act(act("aud_2", LATER))
        await store.sweep(NOON + AUDIT_KEPT)
        assert (await store.acts()).data == [act("aud_2", LATER)]

    tell(make, story)


# Prompts and variables


def prompt(number: int, text: str = "Be brief.", of: str = "rtc_1") -> PromptRow:
    return PromptRow(of, number, NOON, "guest", "it", text)


def test_values_of_variables_are_kept_until_they_are_removed(make: Make) -> None:
    async def story(store: Store) -> None:
        values = store.prompts
        assert await values.variables("charlotte") == {}
        await values.set_variables("charlotte", {"city": "Turin", "day": "2027-05-13"}, NOON)
        await values.set_variables("coach", {"city": "Rome"}, NOON)
        changed = {"city": "Milan", "day": None, "never": None}
        await values.set_variables("charlotte", changed, LATER, act("aud_1"))
        assert await values.variables("charlotte") == {"city": "Milan"}
        assert await values.variables("coach") == {"city": "Rome"}
        assert [row.id for row in (await store.acts()).data] == ["aud_1"]

    tell(make, story)


def test_a_conversation_has_the_language_of_its_newest_prompt(make: Make) -> None:
    async def story(store: Store) -> None:
        async def language(of: str = "conv_1") -> str | None:
            found = await store.conversation(of)
            assert found is not None
            return found.language

        await store.create_conversation(replace(conversation("conv_2"), language="es"))
        await store.begin_call(call(), conversation(), prompt(0))
        assert await language() == "it"
        await store.prompts.add(replace(prompt(1), language="de"))
        assert await language() == "de"
        with pytest.raises(StoreError):
            await store.prompts.add(replace(prompt(1), language="fr"))
        assert await language() == "de"
        await store.begin_call(call("rtc_2"), None, replace(prompt(0, of="rtc_2"), language="en"))
        assert await language() == "en"
        assert await language("conv_2") == "es"

    tell(make, story)


def test_a_call_has_its_prompts_in_order_until_it_is_deleted(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.begin_call(call(), conversation(), prompt(0))
        await store.prompts.add(prompt(1, "Be kind."), act("aud_1"))
        assert await store.prompts.of_call("rtc_1") == [prompt(0), prompt(1, "Be kind.")]
        for refused in (prompt(1), prompt(0, of="rtc_never")):
            with pytest.raises(StoreError):
                await store.prompts.add(refused, act("aud_2"))
        assert [row.id for row in (await store.acts()).data] == ["aud_1"]
        await store.delete_conversation("conv_1")
        assert await store.prompts.of_call("rtc_1") == []

    tell(make, story)


def test_text_that_looks_like_sql_is_text(make: Make) -> None:
    async def story(store: Store) -> None:
        text = "'); DROP TABLE items; -- %s :x ? \\ \x00"
        await store.create_conversation(conversation(subject=text))
        await store.commit([change(replace(said("item_1", text), generated="%(a)s :b ?"))])
        assert (await store.items("conv_1"))[0].generated == "%(a)s :b ?"
        assert [row.id for row in (await store.conversations(subject=text)).data] == ["conv_1"]

    tell(make, story)
