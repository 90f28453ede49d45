"""What is heard of the callee: whether they speak, since when, and whether it comes to words."""

from __future__ import annotations

from typing import Literal

_REPEATED_MS = 2_000  # A final that comes again so soon, without new speech, is the same one.


class CalleeSpeech:
    """The callee's side of a conversation, on its time.

    They are quiet, speak, or have paused and their words are awaited. None of that lasts without
    end: speech without words is noise in the end, and words that do not come are not waited for.

    Attributes:
        state: What they do.
        began_ms: When the utterance began whose words are to come; None if no speech announced any.
        speaking_ms: Since when they speak, or spoke, without a pause.
        last_words_ms: When they were understood last.
    """

    def __init__(self, *, longest_ms: int, words_wait_ms: int) -> None:
        """Begin quietly.

        Args:
            longest_ms: How long somebody may speak without a word that is understood.
            words_wait_ms: How long the words of speech that paused may be waited for.
        """
        self.state: Literal["quiet", "speaking", "paused"] = "quiet"
        self.began_ms: int | None = None
        self.speaking_ms = 0
        self.last_words_ms = 0
        self._longest_ms = longest_ms
        self._words_wait_ms = words_wait_ms
        self._paused_ms = 0
        self._last_words: tuple[str, ...] = ()
        self._wordless_ms = 0  # How long sounds were no silence, since the last words.

    def begin(self, now_ms: int) -> None:
        """They speak, or go on."""
        self.state, self.speaking_ms = "speaking", now_ms
        if self.began_ms is None:
            self.began_ms = now_ms

    def pause(self, now_ms: int) -> None:
        """They stopped, for now."""
        self.state, self._paused_ms = "paused", now_ms

    def is_repeated(self, words: tuple[str, ...], now_ms: int) -> bool:
        """Whether `words` are the last ones once more, and not said again."""
        soon = now_ms - self.last_words_ms <= _REPEATED_MS
        return self.began_ms is None and words == self._last_words and soon

    def understood(self, words: tuple[str, ...], now_ms: int) -> None:
        """The utterance is over; these were its words."""
        self.fall_silent()
        self._last_words, self.last_words_ms = words, now_ms
        self._wordless_ms = 0

    def was_only_a_sound(self, now_ms: int) -> int:
        """The utterance had no words: how many milliseconds of it were no silence."""
        ended_ms = self._paused_ms if self.state == "paused" else now_ms
        # A sound is no silence, but it cannot keep anybody from asking for ever.
        sound_ms = min(ended_ms - self._utterance_ms(), self._longest_ms - self._wordless_ms)
        self._wordless_ms += sound_ms
        self.fall_silent()
        return sound_ms

    def fall_silent(self) -> None:
        """Wait for no more of the utterance."""
        self.state, self.began_ms = "quiet", None

    def has_the_line(self) -> bool:
        """Whether they speak, or are about to be understood, as far as anybody can tell."""
        return self.state != "quiet" and self.sounds_count()

    def sounds_count(self) -> bool:
        """Whether sounds may still turn out to be words; after long enough without, only words do.

        Otherwise a noisy line, or somebody who never stops, could hold the agent up for ever.
        """
        return self._wordless_ms < self._longest_ms

    def words_due(self) -> int:
        """When what they say counts as noise unless it was understood."""
        due_ms = self._utterance_ms() + self._longest_ms
        if self.state == "paused":
            due_ms = min(due_ms, self._paused_ms + self._words_wait_ms)
        return due_ms

    def _utterance_ms(self) -> int:
        """When the utterance under way began, pauses or not."""
        return self.speaking_ms if self.began_ms is None else self.began_ms
