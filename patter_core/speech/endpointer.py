"""Where speech begins and ends, told from which frames sound like speech. No audio, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from patter_core.audio.frames import FRAME_MS


@dataclass(slots=True, kw_only=True)
class Endpointer:
    """Tells speech from single clicks, and its end from a pause within it. Counts 20 ms frames.

    Attributes:
        onset_ms: How much speech, all but one frame of it without a gap, begins an utterance.
        quiet_ms: How long without speech ends it. Single frames of speech do not interrupt that.
        longest_ms: An utterance of this length is ended in any case.
        speaking: Whether somebody speaks.
    """

    onset_ms: int = 100
    quiet_ms: int = 500
    longest_ms: int = 20_000
    speaking: bool = False
    _recent: int = field(default=0, repr=False)  # The last frames, one bit each, newest lowest.
    _frames: int = field(default=0, repr=False)

    def hear(self, *, speech: bool) -> bool:
        """Take one more frame; True when `speaking` changed with it."""
        self._recent = self._recent << 1 | speech
        if self.speaking:
            self._frames += 1
            over = self._frames >= self.longest_ms // FRAME_MS
            changed = over or self._speech_within(self.quiet_ms) <= 1
        else:
            changed = speech and self._speech_within(self.onset_ms + FRAME_MS) >= (
                self.onset_ms // FRAME_MS
            )
        if changed:
            self.speaking = not self.speaking
            self._recent = self._frames = 0
            if self.speaking:
                # What began it counts as speech just heard.
                self._recent = (1 << self.quiet_ms // FRAME_MS) - 1
        return changed

    def _speech_within(self, milliseconds: int) -> int:
        window = (1 << milliseconds // FRAME_MS) - 1
        self._recent &= (1 << 64) - 1
        return (self._recent & window).bit_count()
