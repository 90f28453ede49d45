"""Packages that only some people install, imported when they are first needed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from patter_core.errors import MissingExtra

if TYPE_CHECKING:
    from types import ModuleType


def imported(module: str, *, extra: str, advice: str = "") -> ModuleType:
    """`module`, which `extra` brings; `advice` says what to do where the extra does not help.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module:
            raise
        raise MissingExtra(extra, module, advice) from error
