"""The owners of one ledger: who still runs, told by file locks that die with their holder."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import weakref
from typing import TYPE_CHECKING

from patter_core.errors import LedgerError

if TYPE_CHECKING:
    from pathlib import Path


class Owners:
    """Everybody who has one ledger open, and our own place among them.

    An owner holds an exclusive lock on `<folder>/<id>.lock` while it lives; the system takes the
    lock back however its process ends. Ids are random, so a name is never used twice. Methods but
    `lives` on our own id do file input and output, and raise `OSError` as the system does.
    """

    def __init__(self, folder: Path | None) -> None:
        """Store where the locks are; None is a ledger that nobody else can have open."""
        self._folder = folder
        self._own: str | None = None
        self._descriptor: int | None = None

    @property
    def alone(self) -> bool:
        """Whether nobody else can be an owner."""
        return self._folder is None

    def join(self) -> str:
        """Become an owner and return the new id.

        Raises:
            LedgerError: This system has no file locks.
        """
        if self._folder is None:
            self._own = secrets.token_hex(16)
            return self._own
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with _forks_wait:
            while self._own is None:
                self._own = self._try_to_join(self._folder, secrets.token_hex(16))
            _joined.add(self)
        return self._own

    def _try_to_join(self, folder: Path, owner: str) -> str | None:
        path = folder / f"{owner}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        # Somebody who sweeps may find the file before it is locked, and take it for a dead owner's.
        # It is removed under a lock only, so once we have the lock and the file has its name still,
        # it stays ours.
        ours = False
        try:
            ours = _locked(descriptor) and os.fstat(descriptor).st_nlink > 0
        finally:
            if not ours:
                os.close(descriptor)
        if not ours:
            return None
        self._descriptor = descriptor
        return owner

    def leave(self) -> None:
        """Stop being an owner. Safe to repeat."""
        if self._folder is not None and self._own is not None:
            with contextlib.suppress(OSError):
                self._lock_file(self._folder, self._own).unlink()
        self._own = None
        self.let_go()

    def let_go(self) -> None:
        """Close the descriptor and nothing else: what a forked child does with its parent's."""
        _joined.discard(self)
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def lives(self, owner: str) -> bool:
        """Whether `owner` still runs; when not, what is left of its lock is removed."""
        if owner == self._own:
            return True
        return self._folder is not None and _is_held(self._lock_file(self._folder, owner))

    def sweep(self) -> None:
        """Remove the lock files of owners that died."""
        if self._folder is not None:
            for path in self._folder.glob("*.lock"):
                self.lives(path.stem)

    @staticmethod
    def _lock_file(folder: Path, owner: str) -> Path:
        return folder / f"{owner}.lock"


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # Another user's. Only those whose lock we can take are dead to us.
    try:
        # Shared: two who ask at the same moment must not take each other for the owner.
        held = not _locked(descriptor, shared=True)
        if not held:
            path.unlink(missing_ok=True)
        return held
    finally:
        os.close(descriptor)


def _locked(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock and return True, or return False when somebody has it."""
    try:
        import fcntl
    except ModuleNotFoundError as error:
        raise LedgerError(
            "A ledger in a file needs file locks (fcntl.flock), which this system lacks; "
            "use ledger=':memory:', or run on Linux or macOS"
        ) from error
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


_joined: weakref.WeakSet[Owners] = weakref.WeakSet()

# A lock belongs to the open file, which a forked child shares: the child would keep its parent
# alive in everybody's eyes. A fork waits for whoever is just joining, so that the child finds every
# descriptor in `_joined`.
_forks_wait = threading.Lock()


def _after_fork_in_child() -> None:
    _forks_wait.release()
    for owners in list(_joined):
        owners.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_forks_wait.acquire,
        after_in_parent=_forks_wait.release,
        after_in_child=_after_fork_in_child,
    )
