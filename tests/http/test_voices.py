"""List the voices of an assistant, and hear a sample of each."""

from __future__ import annotations

import io
import wave

import httpx2

from ..support.served import Served
from .test_routes import bearer


def test_the_voices_of_a_cascade_have_samples(served: Served, key: str) -> None:
    url = f"{served.url}/api/assistants/charlotte/voices"
    found = httpx2.get(url, headers=bearer(key)).json()
    assert found["samples"]
    assert [one["name"] for one in found["data"] if one["default"]] == ["marin"]
    assert {"cedar", "marin"} < {one["name"] for one in found["data"]}
    heard = [
        httpx2.get(f"{url}/{name}/sample?language=it", headers=bearer(key), timeout=30)
        for name in ("marin", "cedar", "marin")
    ]
    assert heard[0].headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(heard[0].content)) as sample:
        assert sample.getframerate() == 24_000
        assert 1 < sample.getnframes() / 24_000 <= 8.1
    assert heard[0].content == heard[2].content != heard[1].content


def test_an_unknown_voice_or_assistant_has_no_sample(served: Served, key: str) -> None:
    url = f"{served.url}/api/assistants"
    missing = httpx2.get(f"{url}/charlotte/voices/nobody/sample", headers=bearer(key))
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "voice_not_found")
    assert httpx2.get(f"{url}/nobody/voices", headers=bearer(key)).status_code == 404
    echo = httpx2.get(f"{url}/echo/voices", headers=bearer(key)).json()
    assert not echo["samples"]
