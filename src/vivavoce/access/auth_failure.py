"""A credential that was not taken, in the protocol's words. The credential is never repeated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuthFailure:
    """`status` is for HTTP, `code` and `message` for the error envelope or event."""

    code: str
    message: str
    status: int = 401


def missing() -> AuthFailure:
    return AuthFailure(
        "invalid_api_key",
        "You didn't provide an API key. Send it as 'Authorization: Bearer YOUR_KEY'.",
    )


def unknown() -> AuthFailure:
    return AuthFailure(
        "invalid_api_key", "Incorrect API key provided. `vivavoce keys create` makes a new one."
    )


def expired(what: str) -> AuthFailure:
    return AuthFailure("invalid_api_key", f"This {what} has expired.")


def revoked(what: str) -> AuthFailure:
    return AuthFailure("invalid_api_key", f"This {what} has been revoked.")


def signed_out() -> AuthFailure:
    return AuthFailure(
        "not_signed_in", "You are not signed in. `vivavoce link` prints a new sign-in link."
    )


def withdrawn(credential_id: str) -> AuthFailure:
    """Say which credential of a running call, or of a request that waits, has just ended."""
    match credential_id.partition("_")[0]:
        case "key":
            return AuthFailure(
                "key_revoked", "The API key behind this connection has been revoked."
            )
        case "cs":
            return AuthFailure(
                "secret_revoked", "The client secret behind this connection was revoked."
            )
        case _:
            return AuthFailure("signed_out", "You have signed out, and this connection with you.")


def not_yours(what: str) -> AuthFailure:
    return AuthFailure("forbidden", f"This credential is not good for another {what}.", status=403)
