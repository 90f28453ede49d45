"""The phone's one HTTP session: connections and TLS are set up once, never for each call."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from patter_core.workers import Workers


# Short: a kept connection that the carrier closes just as we dial makes the dial unclear.
_KEEP_ALIVE_SEC = 5.0


class WorkerResolver(AbstractResolver):
    """Looks names up on daemon threads.

    aiohttp's own resolver asks the loop's executor, which takes no work any more once the main
    thread has ended; the call that has to be hung up then would stay up.
    """

    def __init__(self, workers: Workers) -> None:
        """Use `workers`, which stay the caller's."""
        self._workers = workers

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Every address of `host`. Raises OSError when it has none."""
        found = await self._workers.run(
            socket.getaddrinfo,
            host,
            port,
            type=socket.SOCK_STREAM,
            family=family,
            flags=socket.AI_ADDRCONFIG,
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=address_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address_family, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


def open_http_session(workers: Workers) -> aiohttp.ClientSession:
    """A session for one open phone; must be made on the loop that uses it, and closed there.

    Proxies named in the environment are not used, and cookies are not kept.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=WorkerResolver(workers), limit=0, keepalive_timeout=_KEEP_ALIVE_SEC
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )
