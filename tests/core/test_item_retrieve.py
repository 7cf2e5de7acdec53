"""A client asks for an item again, and gets what it sounds like too."""

from __future__ import annotations

from itertools import count

import pytest

from vivavoce.audio import pcm as audio
from vivavoce.core import audio_cache
from vivavoce.core.audio_cache import ItemAudioCache
from vivavoce.core.effects import Listen, ListenTo
from vivavoce.core.inputs import AudioReceived, Finished, OutputChunk
from vivavoce.core.limits import Limits
from vivavoce.protocol import client, server
from vivavoce.protocol.items import Item, Message, Part

from ..support.scenario import Scenario, config, update

_numbers = count(1)


def sound(ms: int) -> bytes:
    """No two are alike, so that one cannot be taken for another."""
    return next(_numbers).to_bytes(2, "little") * (ms * audio.BYTES_PER_MS // 2)


def retrieved(s: Scenario, item_id: str) -> Item:
    s.tell(client.ItemRetrieve(item_id=item_id))
    event = s.sent[-1]
    assert isinstance(event, server.ItemRetrieved)
    return event.item


def heard(s: Scenario, item_id: str) -> object:
    item = retrieved(s, item_id)
    assert isinstance(item, Message)
    return item.content[0].audio


def spoken(s: Scenario, *pieces: bytes, finish: bool = True) -> str:
    s.tell(client.ResponseCreate())
    response_id = s.request.response_id
    s.tell(*(OutputChunk(response_id, "word ", pcm) for pcm in pieces))
    if finish:
        s.tell(Finished(response_id))
    item_id = s.session.conversation.last_id
    assert item_id is not None
    return item_id


def test_a_retrieved_item_has_the_audio_of_push_to_talk() -> None:
    s = Scenario(config(None))
    first, second = sound(200), sound(300)
    s.tell(AudioReceived(first), AudioReceived(second), client.AudioCommit())
    assert heard(s, "item_1") == first + second


def test_a_retrieved_item_has_the_audio_from_before_the_onset() -> None:
    """All that the recogniser got: the sound before the onset, and the silence at the end."""
    s = Scenario()
    s.hear(silence_ms=400, speech_ms=0)
    s.hear(speech_ms=320, silence_ms=512)
    listened = b"".join(
        e.pre_roll if isinstance(e, Listen) else e.pcm
        for e in s.log
        if isinstance(e, Listen | ListenTo)
    )
    assert heard(s, "item_1") == listened


def test_a_retrieved_item_has_the_assistants_audio() -> None:
    s = Scenario()
    first, second = sound(500), sound(500)
    item_id = spoken(s, first, second)
    item = retrieved(s, item_id)
    assert isinstance(item, Message)
    assert item.content == (
        Part(type="output_audio", transcript="word word ", audio=first + second),
    )


def test_no_sound_is_in_other_events_about_the_item() -> None:
    s = Scenario()
    spoken(s, sound(500))
    parts = [
        part
        for event in s.sent
        if isinstance(event, server.ItemAdded | server.ItemDone) and isinstance(event.item, Message)
        for part in event.item.content
    ]
    assert parts
    assert not any(part.audio for part in parts)


def test_a_retrieved_item_has_the_rest_of_a_truncated_answer() -> None:
    s = Scenario()
    pcm = sound(1000)
    item_id = spoken(s, pcm)
    s.tell(client.ItemTruncate(item_id=item_id, content_index=0, audio_end_ms=300))
    item = retrieved(s, item_id)
    assert isinstance(item, Message)
    assert item.content[0].audio == pcm[: 300 * audio.BYTES_PER_MS]
    assert item.content[0].transcript is None


def test_an_answer_truncated_while_it_is_made_does_not_grow_again() -> None:
    s = Scenario()
    pcm = sound(500)
    item_id = spoken(s, pcm, finish=False)
    s.tell(client.ItemTruncate(item_id=item_id, content_index=0, audio_end_ms=100))
    s.tell(
        OutputChunk(s.request.response_id, "and more", sound(500)), Finished(s.request.response_id)
    )
    assert heard(s, item_id) == pcm[: 100 * audio.BYTES_PER_MS]


def test_sound_that_came_inside_an_item() -> None:
    s = Scenario()
    pcm = sound(400)
    part = Part(type="input_audio", audio=pcm)
    s.tell(client.ItemCreate(item=Message(id="mine", role="user", content=(part,))))
    assert heard(s, "mine") == pcm


def test_telephone_sound_inside_an_item_is_heard_too() -> None:
    s = Scenario()
    s.tell(update(audio={"input": {"format": {"type": "audio/pcmu"}}}))
    part = Part(type="input_audio", audio=b"\xff" * 1600)
    s.tell(client.ItemCreate(item=Message(id="mine", role="user", content=(part,))))
    assert s.listened_ms == 200
    assert heard(s, "mine") == audio.silence(200)


def test_an_item_whose_frame_exceeds_the_limit_is_retrieved_without_audio() -> None:
    """Four client stacks close on a frame of a mebibyte (protocol §0, rule 10)."""
    s = Scenario(config(None))
    for _ in range(16):
        s.tell(AudioReceived(sound(1000)))
    s.tell(client.AudioCommit())
    item = retrieved(s, "item_1")
    assert isinstance(item, Message)
    assert not item.content[0].audio
    s.tell(AudioReceived(short := sound(200)), client.AudioCommit())
    assert heard(s, "item_2") == short
    assert audio_cache.LONGEST_MS * audio.BYTES_PER_MS * 4 / 3 < 2**20 - 1024


def test_the_newest_are_kept() -> None:
    s = Scenario(config(None), limits=Limits(sound_bytes=500 * audio.BYTES_PER_MS))
    takes = [sound(200) for _ in range(3)]
    for take in takes:
        s.tell(AudioReceived(take), client.AudioCommit())
    assert [heard(s, f"item_{n}") or b"" for n in (1, 2, 3)] == [b"", *takes[1:]]


def test_where_we_feed_the_loudspeaker_an_answer_is_its_words() -> None:
    s = Scenario(plays_out=True)
    item = retrieved(s, spoken(s, sound(100)))
    assert isinstance(item, Message)
    assert not item.content[0].audio


@pytest.mark.parametrize("how", ["clear", "delete"])
def test_discarded_audio_does_not_count_towards_the_limit(how: str) -> None:
    s = Scenario(config(None))
    s.tell(AudioReceived(sound(200)))
    if how == "delete":
        s.tell(client.AudioCommit(), client.ItemDelete(item_id="item_1"))
    else:
        s.tell(client.AudioClear())
    assert kept(s.session._input_audio._audio_cache) == (0, 0)


def kept(of: ItemAudioCache) -> tuple[int, int]:
    return of._bytes, len(of._audio) + len(of._full) + len(of._growing)


def test_a_long_item_leaves_nothing_behind() -> None:
    of = ItemAudioCache()
    for _ in range(20):
        of.add("item_1", sound(1000))
    of.whole("item_1")
    assert kept(of) == (0, 0)


def test_evicted_audio_is_not_cached_again_from_its_end() -> None:
    of = ItemAudioCache(500 * audio.BYTES_PER_MS)
    growing = Message(id="a", role="user", content=(Part(type="input_audio", transcript="hm"),))
    of.add("a", sound(300))
    of.add("b", sound(300))
    of.add("a", sound(100))
    assert of.with_sound(growing) == growing
    of.truncate("a", 50)
    of.whole("a")
    of.whole("b")
    assert kept(of)[1] == 1
