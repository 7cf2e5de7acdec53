"""A long recording is resampled in pieces, and the result is the same."""

from __future__ import annotations

import pytest

from vivavoce.audio import g711
from vivavoce.audio.pcm import BYTES_PER_MS
from vivavoce.audio.resample import Resampler
from vivavoce.runtime.whole_sound import PIECE_MS, pieces

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
