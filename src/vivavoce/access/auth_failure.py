"""The reasons for refusing a credential, in the protocol's words.

No message repeats the credential.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuthFailure:
    """`status` is the HTTP status. `code` and `message` go into the error body or event."""

    code: str
    message: str
    status: int = 401


def missing() -> AuthFailure:
    """Refuse a request without a credential."""
    return AuthFailure(
        "invalid_api_key",
        "You didn't provide an API key. Send it as 'Authorization: Bearer YOUR_KEY'.",
    )


def unknown() -> AuthFailure:
    """Refuse a credential that the store does not have."""
    return AuthFailure(
        "invalid_api_key", "Incorrect API key provided. `vivavoce keys create` makes a new one."
    )


def expired(kind: str) -> AuthFailure:
    """Refuse an expired credential of this kind, such as "API key"."""
    return AuthFailure("invalid_api_key", f"This {kind} has expired.")


def revoked(kind: str) -> AuthFailure:
    """Refuse a revoked credential of this kind."""
    return AuthFailure("invalid_api_key", f"This {kind} has been revoked.")


def signed_out() -> AuthFailure:
    """Refuse a request whose cookie is missing, expired or revoked."""
    return AuthFailure(
        "not_signed_in", "You are not signed in. `vivavoce link` prints a new sign-in link."
    )


def withdrawn(credential_id: str) -> AuthFailure:
    """End a running call, or refuse a waiting request, because this credential was revoked."""
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


def not_yours(kind: str) -> AuthFailure:
    """Refuse a grant for an assistant or a user other than the caller's own."""
    return AuthFailure("forbidden", f"This credential is not good for another {kind}.", status=403)


def reserved_user() -> AuthFailure:
    """Refuse a grant for the user of the server's operator."""
    return AuthFailure(
        "forbidden", "This user is the server's operator. Choose another id.", status=403
    )
