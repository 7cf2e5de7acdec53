"""Check the two PEM files of TLS before OpenSSL opens them."""

from __future__ import annotations

import ssl
from pathlib import Path

from ..file_reading import UnreadableFileError, read_bytes

PEM_BYTES = 1024 * 1024


def unreadable_reason(file: Path) -> str | None:
    """Say why OpenSSL should not open this file; None: it may."""
    try:
        read_bytes(file, PEM_BYTES)
    except UnreadableFileError as error:
        return error.reason
    return None


def invalid_reason(cert: Path, key: Path) -> str | None:
    """Load each file alone, so that the message names the invalid one; None: both are valid."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cert)
    except OSError as error:  # `ssl.SSLError` is one
        return f"{cert} is not a PEM certificate chain: {_why(error)}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except OSError as error:
        return f"{key} is not the PEM private key of {cert}, without a password: {_why(error)}"
    return None


def _why(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return (reason or "it cannot be read").replace("_", " ").lower()
