"""Marks among the agent's audio, and what those that came back tell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Mark:
    position: int
    due: int  # The callee's bytes by which everything up to here has been played, if all is well.


class Marks:
    """One call's marks. Positions and times count bytes, of our audio and of the callee's.

    A mark that came back says for certain that everything before it was played, and how far the
    playing lags behind our clock: the way to the carrier and back.

    Attributes:
        reached: Everything before this position was played for certain.
        lag: How far playing lags behind the clock.
    """

    def __init__(self, *, grace: int) -> None:
        """None was sent yet; one that is `grace` late counts as lost."""
        self.reached = 0
        self.lag = 0
        self._grace = grace
        self._sent: dict[str, _Mark] = {}  # Not back yet, in order.
        self._given_up: set[str] = set()
        self._count = 0
        self._came = False
        self._trusted = True

    def __bool__(self) -> bool:
        """Whether some are waited for."""
        return bool(self._sent)

    @property
    def limit(self) -> int | None:
        """Before which position the callee must still be, if marks tell: the first one not back."""
        return next(iter(self._sent.values())).position if self._sent and self._came else None

    def send(self, position: int, due: int) -> str:
        """Note that a mark stands at `position`, which is played at `due`; its name."""
        self._count += 1
        name = f"m{self._count}"
        self._sent[name] = _Mark(position, due)
        return name

    def came_back(self, name: str, clock: int) -> None:
        """Everything before this mark was played. One unknown, or known already, is ignored."""
        if name not in self._sent:
            self._trusted = self._trusted or name in self._given_up
            return
        self.lag = self._observed_lag(self._sent[name], clock)
        self._came = self._trusted = True
        for earlier in list(self._sent):
            self.reached = self._sent.pop(earlier).position
            if earlier == name:
                break

    def give_up(self, clock: int) -> None:
        """Go on without those that are long overdue; without any, when none ever came."""
        for name, mark in list(self._sent.items()):
            if not self._overdue(mark, clock):
                return
            self.reached = mark.position
            self._given_up.add(name)
            del self._sent[name]
            self._trusted = self._came

    def forget(self) -> None:
        """The line was cleared: marks come back because of that, not as heard."""
        self._sent.clear()

    def next_turn(self, position: int) -> None:
        """Another turn begins at `position`."""
        self.reached = position
        self._given_up.clear()

    def _observed_lag(self, mark: _Mark, clock: int) -> int:
        """The least that a mark ever came late: what came later than that was held up."""
        late = max(0, clock - mark.due)
        return min(self.lag, late) if self._came else late

    def _overdue(self, mark: _Mark, clock: int) -> bool:
        grace = self._grace if self._trusted else 0
        return clock - self.lag - mark.due >= grace
