"""Visitors of websites that show an assistant in a widget. They have no credential.

A visitor is a random token that its page keeps, without a name or an account. Only the page with
this token continues the conversation after a lost connection. The store has a part of the token's
hash, as the user of the conversation.
"""

from __future__ import annotations

from ..core.types import Caller
from . import tokens

PREFIX = "vt_"
_MINTER = "widget_"  # prefix of the minter's id, which ends with the assistant's name
_SUBJECT = "visitor_"
_HASH = 32  # hexadecimal characters


def make_token() -> str:
    """Return the token of a new visitor."""
    return tokens.make(PREFIX)


def is_token(text: str) -> bool:
    """Return whether the text has the form of a visitor's token."""
    return tokens.looks_like(PREFIX, text)


def of_token(token: str, assistant: str) -> Caller:
    """Return the visitor with this token, on a page that shows this assistant."""
    return Caller(
        credential="visitor",
        subject=_SUBJECT + tokens.digest(token)[:_HASH],
        assistant=assistant,
        browser=True,
        visitor=True,
    )


def minter_id(assistant: str) -> str:
    """Return the id that mints the secrets of an assistant's visitors."""
    return _MINTER + assistant


def is_minter(minted_by: str) -> bool:
    """Return whether a visitor minted a secret, by the id of its minter."""
    return minted_by.startswith(_MINTER)
