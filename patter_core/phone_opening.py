"""The opening of a phone that is in use: made when it is needed, one at a time."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from patter_core.errors import ConfigError, PhoneClosed
from patter_core.phone_settings import listening_at

if TYPE_CHECKING:
    from patter_core.open_phone import OpenPhone
    from patter_core.phone_settings import PhoneSettings


class PhoneOpening:
    """Opens what `settings` describe, and closes it; usable from any loop and any thread.

    Attributes:
        settings: What is opened next.
    """

    def __init__(self, settings: PhoneSettings) -> None:
        """Open nothing yet."""
        self.settings = settings
        self._lock = threading.Lock()
        self._open: OpenPhone | None = None
        self._closed = False

    @property
    def address(self) -> str:
        """Where it listens, as a URL of this machine; "" when it is not open."""
        return self._open.address if self._open is not None else ""

    async def opened(self, *, reopen: bool = False) -> OpenPhone:
        """The open phone, opened now if it was not.

        Raises:
            ConfigError: It cannot be opened.
            PhoneClosed: It was closed, and `reopen` is not set.
        """
        phone = self._begin(reopen=reopen)
        await asyncio.wrap_future(phone.opened)
        return phone

    def opened_blocking(self) -> OpenPhone:
        """Like `opened`, for a thread that waits."""
        phone = self._begin(reopen=False)
        phone.opened.result()
        return phone

    def _begin(self, *, reopen: bool) -> OpenPhone:
        with self._lock:
            if self._closed and not reopen:
                raise PhoneClosed("The phone is closed; call start() to open it again")
            self._closed = False
            if self._open is None or not self._open.usable:
                # Only now: the server and the client cost more to import than all of `patter`.
                from patter_core.open_phone import OpenPhone

                self._open = OpenPhone(self.settings)
                self._open.open()
            return self._open

    def listen_at(self, host: str | None, port: int | None) -> None:
        """Listen there from the next opening on; None keeps what it was.

        Raises:
            ConfigError: That is no port, or the phone is open and listens elsewhere.
        """
        with self._lock:
            settings = listening_at(self.settings, host=host, port=port)
            before = (self.settings.host, self.settings.port)
            elsewhere = (settings.host, settings.port) != before
            if elsewhere and self._open is not None and self._open.usable:
                raise ConfigError("The phone is open and listens elsewhere; close it first")
            self.settings = settings

    async def drain(self, timeout_sec: float) -> bool:
        """Take no more calls and end the live ones; whether all had ended after `timeout_sec`."""
        with self._lock:
            phone = self._open
        if phone is None or not phone.usable:
            return True
        await asyncio.wrap_future(phone.opened)
        return await asyncio.wrap_future(phone.home.submit(phone.desk.drain, timeout_sec))

    async def close(self) -> None:
        """End live calls and close; stays closed until it is reopened. Safe to repeat."""
        with self._lock:
            self._closed = True
            phone, self._open = self._open, None
            if phone is None:
                # Hooks of who was turned away ran without its being open.
                self.settings.guests.stop()
        if phone is not None and phone.usable:
            await phone.close()
