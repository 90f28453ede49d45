"""Every fault that is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.fault_kinds.callbacks import callbacks
from benchmarks.fault_kinds.cancelled import cancelled
from benchmarks.fault_kinds.creates import creates
from benchmarks.fault_kinds.load import load
from benchmarks.fault_kinds.media import media
from benchmarks.fault_kinds.process import process
from benchmarks.fault_kinds.providers import providers
from benchmarks.fault_kinds.store import store
from benchmarks.fault_kinds.tools import tools

if TYPE_CHECKING:
    from benchmarks.fault_bench import Fault


def every_fault() -> list[Fault]:
    """All of them, in the order of the table."""
    return [
        *creates(),
        *callbacks(),
        *media(),
        *providers(),
        *tools(),
        *store(),
        *process(),
        *cancelled(),
        *load(),
    ]
