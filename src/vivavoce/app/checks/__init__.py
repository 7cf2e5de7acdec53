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
from . import assistants, engines, installation
from .base import Check, CheckContext, CheckFailedError, CheckResult

__all__ = ["CHECKS", "CheckContext", "CheckResult", "opened", "run_check"]

CHECK_TIMEOUT_S = 60.0

CHECKS: Mapping[str, Check] = {
    "Python": installation.check_python,
    "data folder": installation.check_data_folder,
    "database": installation.check_database,
    "open files": installation.check_open_files,
    "TLS": installation.check_tls,
    "page": installation.check_page,
    "assistants": assistants.check_assistants,
    "adapters": engines.check_adapters,
    "voice detection": engines.check_speech_detector,
    "pauses": engines.check_end_of_turn_model,
    "speech recognition": engines.check_recogniser,
    "brain": engines.check_brain,
    "speech synthesis": engines.check_voice,
    "provider keys": assistants.check_provider_keys,
    "server": installation.check_server,
}


@asynccontextmanager
async def opened(data: DataFolder, settings: Settings) -> AsyncIterator[CheckContext]:
    """Make what the checks need. A data folder that does not exist is not created."""
    with TemporaryDirectory() as temporary:
        folder = data if data.root.exists() else DataFolder(Path(temporary))
        async with Adapters(settings, folder) as adapters:
            yield CheckContext(data, settings, adapters)


async def run_check(name: str, context: CheckContext) -> CheckResult:
    """Run one of `CHECKS`, for at most `CHECK_TIMEOUT_S`."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return CheckResult(name, True, await CHECKS[name](context))
    except CheckFailedError as failed:
        return CheckResult(name, False, failed.message, failed.fix)
    except TimeoutError:
        message = f"no answer within {CHECK_TIMEOUT_S:g} s"
        return CheckResult(name, False, message, "Is the machine overloaded?")
    except VivavoceError as error:
        fix = "Run `make setup` again, then `vivavoce doctor`."
        return CheckResult(name, False, str(error), fix)
