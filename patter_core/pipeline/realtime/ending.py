"""How a conversation comes to its end: why, what is still owed to the callee, and when it is told.

No I/O and no waiting.
"""

from __future__ import annotations


class Ending:
    """One conversation's ending.

    Attributes:
        reason: Why it is to be over; None while nobody wants that.
        to_a_machine: What is said is a message to a machine, and nothing that is heard an answer.
        goodbye_due: The model ended it without a word, and gets to say one once its tools answered.
        told: It is over, and that was told.
    """

    def __init__(self) -> None:
        """Nobody wants it to end."""
        self.reason: str | None = None
        self.to_a_machine = False
        self.goodbye_due = False
        self.told = False
        self._answer_owed = False

    def begin(self, reason: str, *, answer_owed: bool, goodbye_due: bool) -> None:
        """It is to be over once what is being said was heard.

        Args:
            reason: Why, in a sentence of ours.
            answer_owed: The service is about to answer the callee by itself: that is still said.
            goodbye_due: See the class.
        """
        self.reason = reason
        self._answer_owed = answer_owed
        self.goodbye_due = goodbye_due

    def leave_message(self, reason: str) -> None:
        """It is to be over once the message was left."""
        self.reason, self.to_a_machine = reason, True

    def wants(self, *, ours: bool) -> bool:
        """Whether a response that begins now is to be heard; asked once for each.

        Args:
            ours: We asked for it.
        """
        owed, self._answer_owed = self._answer_owed, False
        return self.reason is None or ours or owed
