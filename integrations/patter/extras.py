"""Turns a package that is not installed into advice on which extra brings it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from patter_core.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def needs_extra(extra: str, module: str) -> Generator[None]:
    """Advise to install `extra` when `module` is missing; let any other import error through.

    Raises:
        MissingExtra: `module` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module:
            raise
        raise MissingExtra(extra, module) from error
