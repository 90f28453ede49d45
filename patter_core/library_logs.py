"""What libraries log while a phone is open: numbers and keys are hidden in it."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from patter_core.calls.redaction import LogRedaction

if TYPE_CHECKING:
    from collections.abc import Generator

    from patter_core.calls.redaction import Redaction

_LIBRARIES = (
    "aiohttp.client",
    "aiohttp.internal",
    "aiohttp.server",
    "aiohttp.web",
    "aiohttp.websocket",
    "asyncio",
    "httpcore.connection",
    "httpcore.http11",
    "httpx",
    "openai",
    "openai._base_client",
    "twilio",
    "twilio.http_client",
)


@contextlib.contextmanager
def private(redaction: Redaction) -> Generator[None]:
    """Hide what must not get out of logs, the engine's own too, while the block runs."""
    known = [name for name in logging.Logger.manager.loggerDict if name.startswith("patter_core")]
    loggers = [logging.getLogger(name) for name in (*_LIBRARIES, *known)]
    hide = LogRedaction(redaction)
    for logger in loggers:
        logger.addFilter(hide)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(hide)
