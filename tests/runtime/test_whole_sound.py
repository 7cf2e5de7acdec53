"""A long recording is resampled in pieces, and the result is the same."""

from __future__ import annotations

import pytest

from vivavoce.audio import g711
from vivavoce.audio.pcm import BYTES_PER_MS
from vivavoce.audio.resample import Resampler
from vivavoce.core.inputs import OutputChunk
from vivavoce.core.ledger import Word
from vivavoce.runtime.whole_sound import CHUNK_MS, PIECE_MS, pieces, short_chunks

from ..support.sounds import spoken


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
@pytest.mark.parametrize("size", [1, 3_999, 4_000, 4_001, 30_000])
def test_the_pieces_of_a_telephones_sound_are_the_whole_of_it(law: g711.Law, size: int) -> None:
    sound = g711.encode(spoken("thanks_rms", 8_000), law)[:size]
    found = [*pieces(sound, law)]
    whole = Resampler(8_000, 24_000).push(g711.decode(sound, law), last=True)
    assert b"".join(found) == whole
    assert max(map(len, found)) <= (PIECE_MS + 1) * BYTES_PER_MS


def test_a_long_sound_is_cut_and_a_short_one_stays_what_it_is() -> None:
    piece = bytes(PIECE_MS * BYTES_PER_MS)
    assert [*pieces(piece, None)] == [piece]
    assert [*pieces(b"", None)] == [b""]  # that nothing comes for now is worth saying
    assert [*map(len, pieces(piece * 3 + b"\1\2", None))] == [len(piece)] * 3 + [2]


def test_a_long_chunk_of_an_answer_is_cut_with_the_words_that_begin_in_each_piece() -> None:
    pcm = bytes(range(240)) * 500  # 2.5 s
    words = (Word("One ", 0), Word("two ", 999), Word("three ", 1000), Word("four", 9000))
    found = [*short_chunks(OutputChunk("r", "One two three four", pcm, words))]
    assert [chunk.text for chunk in found] == ["One two ", "three ", "four"]
    assert [[word.at_ms for word in chunk.words] for chunk in found] == [[0, 999], [0], [7000]]
    assert b"".join(chunk.pcm for chunk in found) == pcm


def test_a_long_chunk_without_times_of_words_begins_with_its_text() -> None:
    found = [*short_chunks(OutputChunk("r", "One two", bytes(CHUNK_MS * BYTES_PER_MS + 2)))]
    assert [(chunk.text, len(chunk.pcm)) for chunk in found] == [
        ("One two", CHUNK_MS * BYTES_PER_MS),
        ("", 2),
    ]
    whole = OutputChunk("r", "One two", bytes(CHUNK_MS * BYTES_PER_MS))
    assert [*short_chunks(whole)] == [whole]
