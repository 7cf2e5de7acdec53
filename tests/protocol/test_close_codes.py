"""Close codes: their numbers, texts and which of them a close frame may carry."""

from __future__ import annotations

import pytest

from vivavoce.protocol.close_codes import REFUSALS, CloseCode, is_lost, is_retryable, sendable


def test_a_close_code_is_its_number_in_comparisons_and_in_text() -> None:
    assert {1013: True}[CloseCode.TRY_AGAIN_LATER]
    assert f"server_closed_{CloseCode.GOING_AWAY}" == "server_closed_1001"


def test_every_close_code_has_a_text_of_its_own() -> None:
    texts = [code.text for code in CloseCode]
    assert all(texts)
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("code", "sent"),
    [(1000, 1000), (1005, 1000), (1004, 1011), (1006, 1011), (1015, 1011), (999, 1011),
     (3000, 3000), (4321, 4321), (4999, 4999), (5000, 1011)],
)  # fmt: skip
def test_sendable_replaces_codes_that_a_close_frame_may_not_carry(code: int, sent: int) -> None:
    assert sendable(code, CloseCode.INTERNAL_ERROR) == sent


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015])
def test_a_connection_may_be_retried_after_an_outage(code: int) -> None:
    assert is_retryable(code)
    assert code not in REFUSALS


@pytest.mark.parametrize("code", [1002, 1007, 1008, 1009, 3000, 4000, 4321])
def test_a_connection_may_not_be_retried_after_a_refusal(code: int) -> None:
    assert not is_retryable(code)


def test_a_connection_without_a_close_frame_is_lost() -> None:
    assert [code for code in CloseCode if is_lost(code)] == [1006, 1015]
