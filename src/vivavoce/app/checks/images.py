"""Check that this machine can read images, for tools that ask for it."""

from __future__ import annotations

from ...errors import EngineError
from .base import CheckContext, CheckFailedError


async def check_images(context: CheckContext) -> str:
    """Name the program or the model that reads images. None is needed by most assistants."""
    try:
        return await context.adapters.describe_image_reader()
    except EngineError as error:
        fix = "Install tesseract-ocr with a language, such as tesseract-ocr-eng."
        raise CheckFailedError(str(error), fix) from None
