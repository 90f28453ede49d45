"""Resolvers that answer what a test wants."""

from __future__ import annotations

import socket
from typing import Any

from aiohttp.abc import AbstractResolver


class Answers(AbstractResolver):
    """Resolves every name to what it is told."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[Any]:
        self.asked += 1
        return [self.entry(address, host, port) for address in self.addresses]

    def entry(self, address: str, host: str, port: int) -> dict[str, Any]:
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return {
            "hostname": host,
            "host": address,
            "port": port,
            "family": kind,
            "proto": socket.IPPROTO_TCP,
            "flags": 0,
        }

    async def close(self) -> None:
        pass
