"""Judge the secrets that sign requests."""

from __future__ import annotations

import base64

import pytest

from vivavoce.net.webhook_secret import problem


@pytest.mark.parametrize("size", [24, 25, 26, 64])
@pytest.mark.parametrize("prefix", ["", "whsec_"])
@pytest.mark.parametrize("padding", [True, False])
def test_a_secret_of_24_to_64_bytes_can_sign(size: int, prefix: str, padding: bool) -> None:
    text = base64.b64encode(bytes(size)).decode()
    assert problem(prefix + (text if padding else text.rstrip("="))) is None


@pytest.mark.parametrize(("size", "told"), [(6, "6 bytes"), (23, "23 bytes"), (65, "65 bytes")])
def test_another_size_is_named(size: int, told: str) -> None:
    wrong = problem("whsec_" + base64.b64encode(bytes(size)).decode())
    assert wrong is not None
    assert wrong.startswith(f"is a secret of {told}: 24 to 64 are allowed. `openssl rand")


@pytest.mark.parametrize(
    "text", ["my grandmother's maiden name, and more", "é" * 32, "a", "A-_" * 11]
)
def test_a_text_that_is_not_base64_is_refused(text: str) -> None:
    assert problem(text) == "is not a secret: base64 is expected, as in whsec_…"
