"""The checks of `vivavoce doctor`: each tries one part, and says how to repair what fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ...config import Settings
from ...errors import VivavoceError
from ..adapters import Adapters
from ..data_folder import DataFolder
from . import (
    adapters_in_use,
    addresses,
    assistants,
    clock,
    embedding,
    engines,
    images,
    installation,
    storage,
    transports,
    webhooks,
    webrtc,
)
from .base import Check, CheckContext, CheckFailedError, CheckResult

__all__ = ["CheckContext", "CheckResult", "all_checks", "opened", "run_check"]

CHECK_TIMEOUT_S = 60.0

CHECKS: Mapping[str, Check] = {
    "Python": installation.check_python,
    "data folder": storage.check_data_folder,
    "database": storage.check_database,
    "open files": installation.check_open_files,
    "clock": clock.check_clock,
    "time zones": clock.check_time_zones,
    "TLS": installation.check_tls,
    "page": installation.check_page,
    "assistants": assistants.check_assistants,
    "adapters": engines.check_adapters,
    "voice detection": engines.check_speech_detector,
    "pauses": engines.check_end_of_turn_model,
    "images": images.check_images,
    "server": addresses.check_server,
    "public address": addresses.check_public_url,
}


@asynccontextmanager
async def opened(
    data: DataFolder, settings: Settings, *, spend: bool = False
) -> AsyncIterator[CheckContext]:
    """Make what the checks need. A data folder that does not exist is not created."""
    with TemporaryDirectory() as temporary:
        folder = data if data.root.exists() else DataFolder(Path(temporary))
        async with Adapters(settings, folder) as adapters:
            yield CheckContext(data, settings, adapters, spend=spend)


def all_checks(context: CheckContext) -> Mapping[str, Check]:
    """Return the checks of every server, and those of what this one uses."""
    parts = (adapters_in_use, embedding, transports, webrtc, webhooks)
    return {**CHECKS, **{name: check for p in parts for name, check in p.checks(context).items()}}


async def run_check(name: str, check: Check, context: CheckContext) -> CheckResult:
    """Run one check, for at most `CHECK_TIMEOUT_S`."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return CheckResult(name, True, await check(context))
    except CheckFailedError as failed:
        return CheckResult(name, False, failed.message, failed.fix)
    except TimeoutError:
        message = f"no answer within {CHECK_TIMEOUT_S:g} s"
        return CheckResult(name, False, message, "Is the machine overloaded?")
    except VivavoceError as error:
        fix = "Run `make setup` again, then `vivavoce doctor`."
        return CheckResult(name, False, str(error), fix)
