"""Send invalid frames: each gets an exact error, and the call goes on."""

from __future__ import annotations

import base64
import json

from ..support.calls import House
from ..support.pictures import png, url

NESTED = '{"a":' * 3000 + "1" + "}" * 3000
IMAGE = url(png(size=15 * 2**19))  # 10 MiB of base64


def event(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, "event_id": "mine", **fields})


def created(item: object) -> str:
    return event("conversation.item.create", item=item)


def says(part: object, role: str = "user") -> str:
    return created({"type": "message", "role": role, "content": [part]})


WRONG: dict[str, tuple[str | bytes, str, str | None, str | None]] = {
    # the frame, the error's code, its param, and the event id that it names
    "no JSON": ("hello", "invalid_event", None, None),
    "half of it": ('{"type":"input_audio_buffer.clear"', "invalid_event", None, None),
    "two at once": ('{"type":"response.cancel"}{}', "invalid_event", None, None),
    "nothing": ("", "invalid_event", None, None),
    "a list": ("[]", "invalid_event", None, None),
    "a number": ("1e999", "invalid_event", None, None),
    "NaN": ('{"type":"response.cancel","response_id":NaN}', "invalid_event", None, None),
    "no type": ('{"event_id":"mine"}', "invalid_event", None, "mine"),
    "a type that is no word": ('{"type":7,"event_id":"mine"}', "invalid_event", "type", "mine"),
    "UTF-8 that is not": (b'{"type":"\xff\xfe"}', "invalid_event", None, None),
    "half a character": (
        '{"type":"\\ud800","event_id":"mine"}', "invalid_event", "type", "mine",
    ),
    "an unknown event": (event("scooby.dooby.doo"), "invalid_value", "type", "mine"),
    "an unknown field": (event("response.cancel", why=1), "unknown_parameter", "why", "mine"),
    "a wrong type": (
        event("conversation.item.delete", item_id=7), "invalid_type", "item_id", "mine",
    ),
    "a field that is missing": (
        event("conversation.item.delete"), "missing_required_parameter", "item_id", "mine",
    ),
    "base64 that is not": (
        event("input_audio_buffer.append", audio="*"), "invalid_value", "audio", "mine",
    ),
    "a number without end": (
        event("conversation.item.truncate", item_id="i", content_index=0, audio_end_ms=10**40),
        "invalid_value", "audio_end_ms", "mine",
    ),
    "deeply nested": (
        f'{{"type":"session.update","session":{NESTED}}}', "invalid_event", None, None,
    ),
    "a very deep bracket": ("[" * 200_000, "invalid_event", None, None),
    "another's role": (
        says({"type": "output_text", "text": "x"}), "invalid_value", "item.content[0].type", "mine",
    ),
    "a name twice too long": (
        created({"type": "message", "role": "user", "id": "x" * 1000, "content": []}),
        "invalid_value", "item.id", "mine",
    ),
    "a name that is no event's": (
        json.dumps({"type": "response.cancel", "event_id": "x" * 513}),
        "invalid_value", "event_id", None,
    ),
    "an unknown item": (
        event("conversation.item.retrieve", item_id="x"),
        "item_retrieve_invalid_item_id", "item_id", "mine",
    ),
    "nothing to commit": (
        event("input_audio_buffer.commit"), "input_audio_buffer_commit_empty", None, "mine",
    ),
    "nothing to cancel": (event("response.cancel"), "response_cancel_not_active", None, "mine"),
    "an item after nothing": (
        event("conversation.item.create", previous_item_id="x",
              item={"type": "message", "role": "user", "content": []}),
        "invalid_value", "previous_item_id", "mine",
    ),
    "a session that is none": (
        event("session.update", session={"type": "realtime", "colour": 1}),
        "unknown_parameter", "session.colour", "mine",
    ),
    "a session too large": (
        event("session.update", session={"type": "realtime", "instructions": "x" * 2**21}),
        "invalid_value", "session", "mine",
    ),
    "an item too large": (
        says({"type": "input_text", "text": "x" * (15 * 2**20)}), "invalid_value", "item", "mine",
    ),
}  # fmt: skip


def test_an_invalid_frame_gets_its_error_and_the_call_goes_on(house: House) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as caller:
            for name, (frame, code, param, blamed) in WRONG.items():
                await caller.send(frame)
                assert await caller.error() == (code, param, blamed), name
            assert await caller.turn() == "You said: are you there"

    house.story(story)


def test_invalid_frames_in_binary_and_in_fragments_get_the_same_errors(house: House) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as caller:
            for name, (frame, code, param, blamed) in WRONG.items():
                data = frame.encode() if isinstance(frame, str) else frame
                await caller.send(data)
                assert await caller.error() == (code, param, blamed), name
                if data:
                    third = len(data) // 3
                    await caller.send([data[:third], data[third : 2 * third], data[2 * third :]])
                    assert await caller.error() == (code, param, blamed), name
            assert await caller.turn() == "You said: are you there"

    house.story(story)


def test_a_thousand_mistakes_at_once_get_a_thousand_errors(house: House) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as caller:
            for number in range(1000):
                await caller.say("response.cancel", event_id=f"mine_{number}")
            for number in range(1000):
                assert await caller.error() == (
                    "response_cancel_not_active", None, f"mine_{number}",
                )  # fmt: skip
            assert await caller.turn()

    house.story(story)


def test_odd_numbers_of_bytes_are_joined_to_samples(house: House) -> None:
    """The server keeps half a sample until its other half arrives (protocol §3.4)."""

    async def story(house: House) -> None:
        async with house.welcome() as caller:
            await caller.say(
                "session.update",
                session={"type": "realtime", "audio": {"input": {"turn_detection": None}}},
            )
            await caller.hear("session.updated")
            for _ in range(4801):  # 100 ms, and half a sample
                await caller.append(b"\1")
            await caller.say("input_audio_buffer.commit")
            assert (await caller.hear())["type"] == "input_audio_buffer.committed"

    house.story(story)


def test_an_image_of_ten_megabytes_is_accepted_and_left_out_of_what_the_client_reads(
    house: House,
) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as caller:
            await caller.send(says({"type": "input_image", "image_url": IMAGE}))
            await caller.send(event("response.create", response={"output_modalities": ["text"]}))
            done = await caller.hear("conversation.item.done")
            assert done["item"]["content"] == [{"type": "input_image"}]
            assert (await caller.hear("response.done"))["response"]["status"] == "completed"
            for _ in range(3):
                await caller.say("conversation.item.retrieve", item_id=done["item"]["id"])
            for _ in range(3):
                shown = await caller.hear("conversation.item.retrieved")
                assert "image_url" not in shown["item"]["content"][0], "no frame exceeds 1 MiB"
            await caller.say("conversation.item.delete", item_id=done["item"]["id"])
            await caller.hear("conversation.item.deleted")
            assert await caller.turn()

    house.story(story)


def test_images_are_accepted_until_the_conversation_is_full(house: House) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as caller:
            for number in range(8):
                await caller.send(says({"type": "input_image", "image_url": IMAGE}))
                if number < 6:
                    await caller.hear("conversation.item.done")
                else:
                    assert await caller.error() == ("conversation_full", None, "mine")
            assert await caller.turn()

    house.story(story)


def test_a_thousand_items_are_created_and_deleted(house: House) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as caller:
            for number in range(1000):
                item = {"id": f"item_{number}", "type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": f"number {number}"}]}  # fmt: skip
                where = [None, "root", "item_0"][number % 3]
                await caller.say("conversation.item.create", item=item, previous_item_id=where)
            for number in range(1000):
                done = await caller.hear("conversation.item.done")
                assert done["item"]["id"] == f"item_{number}"
            assert await caller.turn()
            for number in range(1000):
                await caller.say("conversation.item.delete", item_id=f"item_{number}")
            for number in range(1000):
                gone = await caller.hear("conversation.item.deleted")
                assert gone["item_id"] == f"item_{number}"
            assert await caller.turn()

    house.story(story)


def test_a_flood_of_session_updates(house: House) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as caller:
            for number in range(500):
                wish = {"type": "realtime", "instructions": f"number {number} " + "x" * 2000}
                await caller.say("session.update", session=wish)
            for number in range(500):
                told = await caller.hear("session.updated")
                assert told["session"]["instructions"].startswith(f"number {number} ")
            assert await caller.turn()

    house.story(story)


def test_a_flood_of_responses(house: House) -> None:
    """One response of the conversation and eight out-of-band ones run; each other gets an error."""

    async def story(house: House) -> None:
        beside = {"conversation": "none", "output_modalities": ["text"], "instructions": "beside"}
        async with house.welcome() as caller:
            await caller.add("a tale " * 400)  # whose echo takes long to write
            for _ in range(100):
                await caller.say("response.create", event_id="beside", response=beside)
                await caller.say("response.create", event_id="main")
            answers = [await caller.hear("error", "response.created") for _ in range(200)]
            begun = [e for e in answers if e["type"] == "response.created"]
            codes = {(e["error"]["event_id"], e["error"]["code"]) for e in answers
                     if e["type"] == "error"}  # fmt: skip
            assert codes <= {
                ("main", "conversation_already_has_active_response"),
                ("beside", "rate_limit_exceeded"),
            }
            assert ("main", "conversation_already_has_active_response") in codes
            for response in begun:
                await caller.say("response.cancel", response_id=response["response"]["id"])
            await caller.say("input_audio_buffer.clear")
            await caller.hear("input_audio_buffer.cleared")
            assert await caller.turn()

    house.story(story)


def test_base64_of_every_length(house: House) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as caller:
            for length in range(12):
                text = base64.b64encode(bytes(9)).decode()[:length]
                await caller.say("input_audio_buffer.append", audio=text, event_id="mine")
                if length % 4:
                    assert await caller.error() == ("invalid_value", "audio", "mine"), length
            assert await caller.turn()

    house.story(story)
