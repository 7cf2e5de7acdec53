"""Check the host's clock, and the time zones in which assistants speak of today and tomorrow."""

from __future__ import annotations

import asyncio
import os
import re
import zoneinfo
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ... import clock
from ..catalogue import load_catalogue
from .base import CheckContext, CheckFailedError

MADE = datetime(2026, 11, 1, tzinfo=UTC)  # no earlier than this version was written
PLAUSIBLE = timedelta(days=15 * 365)
AHEAD = timedelta(hours=1)  # a file may be this much newer than the clock: clocks are set right
PROBE = "Europe/Rome"
_POSIX = re.compile(r"(<[A-Za-z0-9+-]{3,}>|[A-Za-z]{3,})[+-]?\d")  # such as CET-1CEST
_SET_CLOCK = "Set the clock, and let the system keep it right (NTP): timedatectl set-ntp true"


async def check_clock(context: CheckContext) -> str:
    """Compare the clock with this version and with the database, which is never from tomorrow."""
    now = clock.now()
    shown = f"{now:%Y-%m-%d %H:%M} UTC"
    if now < MADE:
        raise CheckFailedError(f"{shown} is before this version was made", _SET_CLOCK)
    if now > MADE + PLAUSIBLE:
        raise CheckFailedError(f"{shown} is long after this version was made", _SET_CLOCK)
    written = await asyncio.to_thread(_written_at, context.data.database)
    if written is not None and written > now + AHEAD:
        message = f"{shown}, but the database was written at {written:%Y-%m-%d %H:%M} UTC"
        raise CheckFailedError(message, _SET_CLOCK)
    return shown


async def check_time_zones(context: CheckContext) -> str:
    """Find the data of time zones, and name the zone of each assistant that has one.

    An assistant with an unknown `time_zone` is broken, which the check of the assistants reports.
    """
    source = await asyncio.to_thread(_source)
    if source is None:
        fix = "Install the system's package tzdata, or Python's: pip install tzdata"
        raise CheckFailedError("there are no data about time zones", fix)
    host = os.environ.get("TZ", "").removeprefix(":")
    if host and not _is_zone(host):
        fix = "Set TZ to a name such as Europe/Rome, or remove it."
        message = f'TZ is "{host}", which is no time zone: the system takes it for UTC'
        raise CheckFailedError(message, fix)
    zones = [f"{a.name} in {a.time_zone}" for a in load_catalogue(context.data) if a.time_zone]
    others = f"{'others' if zones else 'all'} in the host's, {clock.now().astimezone():%Z}"
    return f"from {source}; {', '.join([*zones, others])}"


def _written_at(database: Path) -> datetime | None:
    """Return when the database or its log was last written. None: there is none."""
    times = []
    for path in (database, database.with_name(f"{database.name}-wal")):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _source() -> str | None:
    """Return where Python finds time zones: the system's folder, or the package `tzdata`."""
    for folder in zoneinfo.TZPATH:
        if Path(folder, PROBE).is_file():
            return folder
    try:
        zoneinfo.ZoneInfo.no_cache(PROBE)
    except zoneinfo.ZoneInfoNotFoundError:
        return None
    return "the package tzdata"


def _is_zone(name: str) -> bool:
    if Path(name).is_absolute():
        return Path(name).is_file()
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return _POSIX.match(name) is not None
    return True
