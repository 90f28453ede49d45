"""Which response is under way, and what the model is asked for next: one thing at a time.

The service takes no request while a response is active, and makes responses of its own when the
callee has finished speaking. No I/O: news goes in, the next request comes out of `next`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from patter_core.pipeline.realtime.wire import ASK

_WORD_FOR_WORD = "Say exactly the following words, in their language, and nothing else."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request for a response.

    Attributes:
        name: Ours; the service brings it back.
        words: What to say, word for word; None for an answer of the model's own.
        owner: On whose behalf; see `forget`.
        tools: Whether the model may ask for tools.
    """

    name: str
    words: str | None = None
    owner: object = None
    tools: bool = True

    def response(self) -> dict[str, Any]:
        """The response that is asked for, as the service has it."""
        response: dict[str, Any] = {"metadata": {ASK: self.name}}
        if self.words is not None:
            # Instructions of one response take the place of the session's. The words become part
            # of the conversation as said, which an item that we made ourselves would not be heard
            # for; and without tools there is nothing for the model to do but to say them.
            response["instructions"] = f"{_WORD_FOR_WORD}\n\n{self.words}"
        if self.words is not None or not self.tools:
            response["tool_choice"] = "none"
        return response


class Responses:
    """One conversation's responses.

    Attributes:
        active: The id of the response under way.
        owed: The callee has finished, and the service will answer by itself.
        callee_speaks: Nothing is asked for meanwhile.
    """

    def __init__(self) -> None:
        """Nothing is under way."""
        self.active: str | None = None
        self.active_ask: Ask | None = None
        self.owed = False
        self.callee_speaks = False
        self._requested: Ask | None = None
        self._sayings: deque[Ask] = deque()
        self._reply: Ask | None = None
        self._names = 0
        self._rests_until_ms = 0
        self._closed = False

    @property
    def expecting(self) -> bool:
        """Whether the service has to send something next."""
        return self.active is not None or self.owed or self._requested is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is under way and nothing is asked for."""
        return not (self.expecting or self._sayings or self._reply)

    def asks_for(self, owner: object) -> bool:
        """Whether something is still to be said for `owner`, or is on its way."""
        asks = (*self._sayings, self._requested, self.active_ask)
        return any(ask is not None and ask.owner is owner for ask in asks)

    def say(self, words: str, *, owner: object = None, first: bool = False) -> None:
        """Have these words said, after what was asked before, before any answer."""
        ask = Ask(name=self._name("say"), words=words, owner=owner)
        if self._closed:
            return
        if first:
            self._sayings.appendleft(ask)
        else:
            self._sayings.append(ask)

    def reply(self, *, tools: bool = True) -> None:
        """Have the model answer, once, however often this is asked before it does."""
        if not self._closed:
            self._reply = Ask(name=self._name("reply"), tools=tools)

    def say_goodbye(self) -> None:
        """Have the model answer once more, though nothing more is to be asked for."""
        self._reply = Ask(name=self._name("reply"), tools=False)

    def forget(self, owner: object) -> None:
        """Leave unsaid what `owner` asked for and nobody has been asked for yet."""
        self._sayings = deque(ask for ask in self._sayings if ask.owner is not owner)

    def rest(self, until_ms: int) -> None:
        """Ask for nothing before then: the service has trouble enough."""
        self._rests_until_ms = until_ms

    def next(self, now_ms: int) -> Ask | None:
        """What to ask for now, if anything; the caller sends it."""
        if self.expecting or self.callee_speaks or now_ms < self._rests_until_ms:
            return None
        if self._sayings:
            self._requested = self._sayings.popleft()
        else:
            self._requested, self._reply = self._reply, None
        return self._requested

    def created(self, response_id: str, name: str) -> Ask | None:
        """A response began; the request that it answers, None when it is the service's own."""
        asked = self._requested
        ours = asked is not None and (name == asked.name or (not name and not self.owed))
        self.active, self.active_ask = response_id, asked if ours else None
        if ours:
            self._requested = None
        else:
            self.owed = False
            # It knows everything that a reply of ours would have said.
            self._reply = None
        return self.active_ask

    def done(self, response_id: str) -> None:
        """A response is over."""
        if response_id == self.active:
            self.active = self.active_ask = None

    def refused(self, name: str, *, busy: bool) -> Ask | None:
        """The service refused our request; when it was only busy, it is asked again later."""
        asked = self._requested
        if asked is None or asked.name != name:
            return None
        self._requested = None
        if self._closed:
            return asked
        if busy and asked.words is not None:
            self._sayings.appendleft(asked)
        elif busy:
            self._reply = self._reply or asked
        return asked

    def lost(self) -> Ask | None:
        """The connection broke: nothing is under way any more; the request that it took along."""
        taken = self._requested or self.active_ask
        self.active = self.active_ask = self._requested = None
        self.owed = self.callee_speaks = False
        return taken

    def say_only(self, words: str) -> None:
        """Have these words said next, whoever speaks, and nothing after them."""
        self._sayings.clear()
        self._reply = None
        self.owed = self.callee_speaks = False
        self.say(words)
        self._closed = True

    def stop(self) -> None:
        """Ask for nothing more. What was asked for already may still come."""
        self._closed = True
        self._sayings.clear()
        self._reply = None

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}_{self._names}"
