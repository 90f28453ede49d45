"""Every error that Patter raises, as one tree.

    PatterError
    ├── ConfigError (ValueError)      the code or its environment must change
    │   ├── ToolSchemaError               a tool's schema cannot be used; names tool and path
    │   └── MissingExtra (ImportError)    a package that an extra brings is not installed
    ├── ArgumentError (ValueError)    one argument of a call is unusable; names the field
    ├── PhoneClosed                   the phone was closed, or is closing
    ├── CarrierError                  what a telephone company answered
    │   ├── CarrierRefused                a final no; nobody was rung
    │   ├── CarrierBusy                   too many requests; nobody was rung; says when to ask again
    │   ├── CarrierNotReached             nothing was sent
    │   └── CarrierUnclear                no usable answer; somebody may be being rung
    ├── TransferRefused               a call was not handed over; says why
    ├── ProviderError                 speech or language failed; says whether again makes sense
    └── LedgerError                   the record of calls cannot be read or written

A call itself never raises: what happens to it is data, in its result. These leave constructors,
`start()` and the parts below a call, where whoever catches them does something different for each.
"""

from __future__ import annotations


class PatterError(Exception):
    """Base of everything that Patter raises on purpose."""


class ConfigError(PatterError, ValueError):
    """What the developer wrote, or the environment it runs in, must change."""


class MissingExtra(ConfigError, ImportError):
    """A package that comes with one of Patter's extras is not installed."""

    def __init__(self, extra: str, module: str, advice: str = "") -> None:
        advice = advice or f"It comes with an extra: pip install 'patter[{extra}]'"
        super().__init__(f"{module!r} is not installed. {advice}")
        self.extra = extra
        self.module = module


class ToolSchemaError(ConfigError):
    """The schema of a tool's arguments cannot be used.

    Attributes:
        tool: The tool's name.
        path: Where in the schema, as in "properties.address.required"; "" is the schema itself.
    """

    def __init__(self, tool: str, path: str, sentence: str) -> None:
        super().__init__(f"Tool {tool!r}, {path or 'parameters'}: {sentence}")
        self.tool = tool
        self.path = path


class ArgumentError(PatterError, ValueError):
    """One argument of a call is unusable.

    Attributes:
        field: The argument's name, or "" when the arguments as a whole cannot be read.
    """

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class PhoneClosed(PatterError):
    """The phone was closed, or is closing, and takes no new work."""


class CarrierError(PatterError):
    """A telephone company did not do what it was asked."""


class CarrierRefused(CarrierError):
    """A final no, in a sentence of ours: nobody was rung.

    Attributes:
        code: The carrier's own number for the reason, None when it gave none.
    """

    def __init__(self, sentence: str, code: int | None = None) -> None:
        super().__init__(sentence)
        self.code = code


class CarrierBusy(CarrierError):
    """Too many requests: nobody was rung.

    Attributes:
        retry_after_sec: When the carrier says to ask again, None when it does not say.
    """

    def __init__(self, sentence: str, retry_after_sec: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_sec = retry_after_sec


class CarrierNotReached(CarrierError):
    """Nothing was sent, so nobody was rung: no such host, or the connection was refused."""


class CarrierUnclear(CarrierError):
    """No usable answer came back: somebody may be being rung."""


class TransferRefused(PatterError):
    """A call was not handed over: it is not allowed, or the carrier did not do it."""


class ProviderError(PatterError):
    """Speech recognition, a language model or a voice failed.

    Attributes:
        provider: The provider's short name, as in "openai".
        retryable: Whether the same request may succeed a moment later.
    """

    def __init__(self, provider: str, sentence: str, *, retryable: bool = False) -> None:
        super().__init__(f"{provider}: {sentence}")
        self.provider = provider
        self.retryable = retryable


class LedgerError(PatterError):
    """The record of calls cannot be read or written."""
