"""Refuse an archive that grows beyond its bounds when it is unpacked: a zip bomb.

Word and Excel files are ZIP archives. Python's `zipfile` unpacks no more of a member than the
archive declares, so the declared sizes are a bound.
"""

from __future__ import annotations

import io
import zipfile

MIB = 2**20
UNPACKED_BYTES = 64 * MIB  # of all members
MEMBERS = 5000


class UnfitArchiveError(ValueError):
    """The file is not an archive that may be unpacked. The message begins after its name."""


def check(data: bytes) -> None:
    """Raise `UnfitArchiveError` for data that is not an archive, or is larger than its bounds."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise UnfitArchiveError("is damaged, or has a password") from None
    if len(members) > MEMBERS:
        raise UnfitArchiveError(f"has {len(members)} parts; at most {MEMBERS} are read")
    if any(member.flag_bits & 1 for member in members):
        raise UnfitArchiveError("has a password")
    size = sum(member.file_size for member in members)
    if size > UNPACKED_BYTES:
        raise UnfitArchiveError(f"unpacks to {size} bytes; at most {UNPACKED_BYTES} are read")
