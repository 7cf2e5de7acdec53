"""Images in messages: their types, their sizes, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vivavoce.core.images import HEAD_BYTES, IMAGE_BYTES, ImageHeader, read_header
from vivavoce.protocol import server
from vivavoce.protocol.client import ItemCreate, ResponseCreate, ResponseOptions
from vivavoce.protocol.items import Message, Part

from ..support.pictures import WEBP, WEBP_LOSSLESS, jpeg, png, url, webp_extended
from ..support.scenario import Scenario


def looking_at(image_url: str) -> Message:
    parts = (Part(type="input_text", text="What is this?"),
             Part(type="input_image", image_url=image_url))  # fmt: skip
    return Message(role="user", content=parts)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(3, 2), ImageHeader("image/png", 3, 2)),
        (jpeg(640, 480), ImageHeader("image/jpeg", 640, 480)),
        (jpeg(640, 480, metadata=200_000), ImageHeader("image/jpeg", 640, 480)),
        (WEBP, ImageHeader("image/webp", 1, 1)),
        (WEBP_LOSSLESS, ImageHeader("image/webp", 1, 1)),
        (webp_extended(1000, 700), ImageHeader("image/webp", 1000, 700)),
    ],
)
def test_a_header_tells_type_and_size(data: bytes, expected: ImageHeader) -> None:
    assert read_header(data) == expected


@given(
    st.sampled_from([png(), jpeg(), WEBP, WEBP_LOSSLESS, webp_extended(9, 9)]),
    st.integers(0, 60),
    st.binary(max_size=40),
)
@example(b"\xff\xd8\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, b"")
def test_whatever_bytes_come_they_are_an_image_or_refused(
    start: bytes, kept: int, rest: bytes
) -> None:
    problem = ""
    try:
        assert read_header(start[:kept] + rest).width
    except ValueError as error:
        problem = str(error)
    assert problem.startswith(("must ", "may ")) or not problem


def test_an_image_states_the_type_of_its_bytes_whatever_the_client_declares() -> None:
    story = Scenario()
    story.tell(ItemCreate(item=looking_at(url(WEBP, "text/html"))))
    added = next(e for e in story.sent if isinstance(e, server.ItemAdded))
    assert isinstance(added.item, Message)
    assert added.item.content[1].image_url == url(WEBP, "image/webp")
    story.tell(ResponseCreate(response=ResponseOptions(input=(looking_at(url(jpeg())),))))
    (read,) = story.request.history
    assert isinstance(read, Message)
    assert read.content[1].image_url == url(jpeg(), "image/jpeg")


@pytest.mark.parametrize(
    ("image_url", "problem"),
    [
        ("https://example.org/a.png", "must be a data URL with base64"),
        ("data:image/png,abc", "must be a data URL with base64"),
        ("", "must be a data URL with base64"),
        ("data:image/png;base64,", "must be a PNG, JPEG or WebP"),
        ("data:image/png;base64,????", "must be valid base64"),
        (url(b"GIF89a" + bytes(40)), "must be a PNG, JPEG or WebP"),
        (url(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "must be a PNG, JPEG or WebP"),
        (url(png()[:12]), "must have a PNG header"),
        (url(png(0, 5)), "must be at least 1 pixel wide and high"),
        (url(png(100_000, 100_000)), "may have at most 50000000 pixels, and has 100000 × 100000"),
        (url(webp_extended(16_000, 16_000)), "may have at most 50000000 pixels"),
        (url(jpeg(metadata=HEAD_BYTES + 70_000)), "must be a JPEG that names its size within"),
        (url(png(size=IMAGE_BYTES)), "may have at most 11534336 bytes, and has"),
    ],
)
def test_an_image_that_is_not_valid_is_refused_and_changes_nothing(
    image_url: str, problem: str
) -> None:
    story = Scenario()
    story.tell(ItemCreate(item=looking_at(image_url)))
    (error,) = (event.error for event in story.sent if isinstance(event, server.Error))
    assert (error.code, error.param) == ("invalid_value", "item.content[1].image_url")
    assert error.message.startswith(f"Error adding item: its image {problem}")
    assert len(story.sent) == 1
    options = ResponseOptions(input=(looking_at(image_url),), conversation="none")
    story.tell(ResponseCreate(response=options))
    assert story.errors[-1] == ("invalid_value", "response.input[0].content[1].image_url")


def test_the_size_of_a_bomb_is_read_without_unpacking_it() -> None:
    with pytest.raises(ValueError, match="pixels"):
        read_header(png(2**31, 2**31))
