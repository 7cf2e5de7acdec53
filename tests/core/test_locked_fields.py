"""The fields that a browser cannot change, in the session and in a single response."""

from __future__ import annotations

import pytest

from vivavoce.assistants.sections import LOCKABLE
from vivavoce.core.locked_fields import strip_locked_fields, strip_locked_options
from vivavoce.protocol.client import AudioOptions, ResponseOptions, VoiceOptions
from vivavoce.protocol.config import Pcmu

WISH = ResponseOptions(
    instructions="Be rude.",
    tools=(),
    output_modalities=("text",),
    audio=AudioOptions(output=VoiceOptions(voice="ash", format=Pcmu())),
    metadata={"a": "1"},
)


def test_a_response_is_left_what_is_not_locked() -> None:
    kept = strip_locked_options(WISH, ("instructions", "tools", "audio.output.voice"))
    assert kept == ResponseOptions(
        output_modalities=("text",),
        audio=AudioOptions(output=VoiceOptions(format=Pcmu())),
        metadata={"a": "1"},
    )


@pytest.mark.parametrize("locked", LOCKABLE)
def test_every_lock_fits_a_response_that_wishes_all_and_one_that_wishes_nothing(
    locked: str,
) -> None:
    assert strip_locked_options(ResponseOptions(), (locked,)) == ResponseOptions()
    assert strip_locked_options(WISH, (locked,)).metadata == {"a": "1"}


def test_a_null_where_an_object_should_be_opens_no_lock() -> None:
    patch: dict[str, object] = {"audio": None, "instructions": None}
    assert strip_locked_fields(patch, ("instructions",)) == {"audio": None}
