"""What the demo shows in a terminal while an agent works and a call goes on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console

    from patter_core.clock import Clock

_STYLES = {"You": "bold", "Agent": "bold magenta", "Caller": "cyan", "Restaurant": "yellow"}
_SPEAKERS = {"agent": "Caller", "user": "Restaurant", "system": ""}
_REDRAWN_PER_SEC = 10


class Screen:
    """Prints what happens line by line, and below it, in a terminal, how the call stands.

    The agent that was asked is "Agent"; its voice on the phone is "Caller".
    """

    def __init__(self, console: Console, clock: Clock, usd_per_minute: float) -> None:
        """Show on `console`; a call's times are those of `clock`."""
        self._console = console
        self._clock = clock
        self._usd_per_minute = usd_per_minute
        self._state = "thinking"
        self._dialed_at: float | None = None
        self._answered_at: float | None = None
        self._spinner = Spinner("line", style="green")
        self._live = Live(
            console=console,
            get_renderable=self._standing,
            refresh_per_second=_REDRAWN_PER_SEC,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.quiet:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def said(self, who: str, words: str) -> None:
        """Show what was said outside of the call."""
        self._console.print()
        self._row("", who, Text(words, style=_STYLES[who]))

    def asked_for_tool(self, name: str, arguments: dict[str, Any]) -> None:
        """Show that the agent calls a tool."""
        given = ", ".join(f"{field}={value!r}" for field, value in arguments.items())
        self._console.print()
        self._row("", "Agent", Text(f"{name}({given})", style=_STYLES["Agent"]))
        self._console.print()

    def told(self, event: dict[str, Any]) -> None:
        """Show what happens in the call: the data of a custom event."""
        match event["type"]:
            case "turn":
                self._turn(event["turn"])
                return
            case "tool_started" | "tool_finished":
                self._tool(event)
                return
            case "dialing":
                self._dialed_at = self._clock.now()
            case "answered":
                self._answered_at = self._clock.now()
            case _:
                pass
        self._state = event["type"]
        if self._dialed_at is not None:  # Until then there is nothing to see.
            words = f"{event['type']} {_detail(event)}".rstrip()
            self._row(_minutes(self._elapsed()), "", Text(words, style="dim"))

    def returned(self, result: dict[str, Any]) -> None:
        """Show a call's result."""
        self._state = "thinking"
        self._dialed_at = self._answered_at = None
        estimate = " (an estimate)" if result["cost"]["provisional"] else ""
        style = "bold green" if result["error"] is None else "bold red"
        self._console.print()
        self._row("", "Result", Text(result["status"], style=style))
        for name, value in (
            ("talked", f"{result['duration_seconds']:.1f} s"),
            ("cost", f"${result['cost_usd']:.4f}{estimate}"),
            ("answered by", result["answered_by"]),
            ("error", result["error"]),
        ):
            if value is not None:
                self._row("", "", Text.assemble((f"{name}: ", "dim"), value))

    def _tool(self, event: dict[str, Any]) -> None:
        words = f"uses {event['name']}"
        if event["type"] == "tool_finished":
            if event["ok"]:
                return
            words = f"{event['name']} failed"
        self._row(_minutes(self._elapsed()), "", Text(words, style="dim"))

    def _turn(self, turn: dict[str, Any]) -> None:
        who = _SPEAKERS[turn["role"]]
        words = turn["text"] + (" --" if turn["cut"] else "")
        began = turn["started_ms"] / 1_000
        if self._answered_at is not None and self._dialed_at is not None:
            began += self._answered_at - self._dialed_at
        self._row(_minutes(began), who, Text(words, style=_STYLES.get(who, "")))

    def _row(self, time: str, who: str, words: Text) -> None:
        row = Table.grid(padding=(0, 1), expand=False)
        row.add_column(width=5, justify="right", style="dim")
        row.add_column(width=10, style=_STYLES.get(who, "bold"))
        row.add_column(overflow="fold")
        row.add_row(time, who, words)
        self._console.print(row)
        self._live.refresh()

    def _standing(self) -> Spinner:
        words = [self._state]
        if self._dialed_at is not None:
            words += [_minutes(self._elapsed()), f"${self._cost():.3f} so far"]
        self._spinner.update(text=Text("  ".join(words), style="bold green"))
        return self._spinner

    def _elapsed(self) -> float:
        return 0.0 if self._dialed_at is None else self._clock.now() - self._dialed_at

    def _cost(self) -> float:
        """Carriers charge by begun minutes, from the answer on."""
        if self._answered_at is None:
            return 0.0
        minutes = max(1, math.ceil((self._clock.now() - self._answered_at) / 60))
        return minutes * self._usd_per_minute


def _detail(event: dict[str, Any]) -> str:
    """Who is dialed, or who hung up."""
    match event:
        case {"type": "dialing", "to": number}:
            return str(number)
        case {"type": "ended", "result": {"ended_by": str(who)}}:
            return f"by the {who}"
        case _:
            return ""


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02}"
