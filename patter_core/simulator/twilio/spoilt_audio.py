"""A callee's audio as a carrier with a fault sends it: what goes onto the wire for each frame."""

from __future__ import annotations

import base64
from itertools import cycle
from typing import TYPE_CHECKING, Any

from patter_core.audio.frames import FRAME_BYTES
from patter_core.speech import markers

if TYPE_CHECKING:
    from collections.abc import Iterator

_HUGE_FROM_FRAME = 100
_HUGE_BYTES = 1024 * 1024


def spoilt(kind: str) -> SpoiltAudio | None:
    """What the fault `kind` does to audio; None for nothing."""
    match kind:
        case "odd_lengths":
            return OddLengths()
        case "strange_frames":
            return StrangeFrames()
        case "huge_frame":
            return HugeFrame()
        case _:
            return None


class SpoiltAudio:
    """Makes the `media` parts of the frames in which audio travels."""

    def parts(self, audio: bytes) -> Iterator[dict[str, Any]]:
        """What is sent in place of one frame of `audio`."""
        yield _part(audio)


class OddLengths(SpoiltAudio):
    """The same bytes in two frames, cut where nobody would expect it; some hold nothing."""

    def __init__(self) -> None:
        """Know where to cut."""
        self._cuts = cycle((1, 159, 0, 33, 80, 127))

    def parts(self, audio: bytes) -> Iterator[dict[str, Any]]:
        """See `SpoiltAudio.parts`."""
        cut = next(self._cuts)
        yield _part(audio[:cut])
        yield _part(audio[cut:])


class StrangeFrames(SpoiltAudio):
    """Frames that are no callee's audio, between those that are."""

    def __init__(self) -> None:
        """Know what is strange: another track, and payloads that cannot be read."""
        words = markers.encode("Nobody said this.")
        self._said = cycle(words[at : at + FRAME_BYTES] for at in range(0, len(words), FRAME_BYTES))
        self._payloads: Iterator[Any] = cycle(("not base64!", "///", "", 7, None, ["/w=="], "\xff"))

    def parts(self, audio: bytes) -> Iterator[dict[str, Any]]:
        """See `SpoiltAudio.parts`."""
        yield {**_part(next(self._said)), "track": "outbound"}
        yield {"track": "inbound", "payload": next(self._payloads)}
        yield _part(audio)


class HugeFrame(SpoiltAudio):
    """After two seconds, a megabyte in one frame."""

    def __init__(self) -> None:
        """Begin to count."""
        self._frames = 0

    def parts(self, audio: bytes) -> Iterator[dict[str, Any]]:
        """See `SpoiltAudio.parts`."""
        self._frames += 1
        yield _part(
            audio * (_HUGE_BYTES // FRAME_BYTES) if self._frames == _HUGE_FROM_FRAME else audio
        )


def _part(audio: bytes) -> dict[str, Any]:
    return {"track": "inbound", "payload": base64.b64encode(audio).decode()}
