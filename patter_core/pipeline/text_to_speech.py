"""What a conversation asks of a voice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from patter_core.pipeline.resources import Resources


class TextToSpeech(Protocol):
    """A voice of some vendor: a frozen value whose constructor touches no network."""

    def speak(self, text: str, resources: Resources) -> AsyncIterator[bytes]:
        """Stream `text` as mu-law 8 kHz audio, in pieces of any length.

        Closing the iterator early cancels the request.

        Raises:
            ProviderError: It could not be spoken.
        """
        ...
