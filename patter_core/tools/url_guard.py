"""URLs that somebody else chose: which of them we call, and to which addresses we connect.

A URL is read once, strictly, and what was read is what is connected to. The name in it may still
lead anywhere, and elsewhere a moment later: so every address that it resolves to is judged, and so
is the address of each socket before it connects.
"""

from __future__ import annotations

import re
import socket
import unicodedata
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, TypeAlias

import idna
from aiohttp.abc import AbstractResolver
from yarl import URL

from patter_core.errors import PatterError
from patter_core.tools.public_addresses import is_public

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp.abc import ResolveResult

DEFAULT_PORTS = frozenset({80, 443, 8080, 8443})

AddressInfo: TypeAlias = tuple[
    int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]
]
"""What `socket.getaddrinfo` says of one address."""

_MAX_URL_CHARS = 2_048
_KEPT_URLS = 1_024
_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<rest>[/?].*)?", re.IGNORECASE)
# A backslash, a space or a control character is read differently by every second parser.
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\\u0080-\u00a0\u2028\u2029]")
_ENCODED = re.compile(r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")

_INTERNAL_NAMES = frozenset(
    {
        "metadata.goog",
        "metadata.tencentyun.com",
        "kubernetes.default.svc",
        "kubernetes.default",
    }
)
_INTERNAL_SUFFIXES = (
    *(".internal", ".local", ".localhost", ".localdomain", ".home.arpa", ".svc", ".cluster.local"),
    *(".lan", ".intranet", ".corp", ".home", ".private", ".in-addr.arpa", ".ip6.arpa", ".onion"),
)


class UrlRefused(PatterError):
    """A URL is not called; says why in a sentence that quotes nothing of it."""


class AddressRefused(OSError):
    """A socket was about to connect to an address that is not public.

    An OSError, because that is what connecting code expects of a socket that cannot be had.
    """


@dataclass(frozen=True, slots=True)
class GuardedUrl:
    """A URL that may be called.

    Attributes:
        url: What is called: what was judged, not what was written.
        exempt: Whether its host was allowed by name, so that its addresses are not judged.
    """

    url: URL
    exempt: bool


class UrlGuard:
    """The rules for every URL that users or models can name.

    `allow_hosts` exempts hosts from everything but the form: "host:port" with just this port,
    "host" with the ports that are allowed anyway; IPv6 in brackets.
    """

    def __init__(
        self, *, allow_hosts: Collection[str] = (), allow_ports: Collection[int] = ()
    ) -> None:
        """Allow more than what is public.

        Args:
            allow_hosts: As in {"127.0.0.1:8000"}.
            allow_ports: Ports besides 80, 443, 8080 and 8443.

        Raises:
            UrlRefused: An entry of `allow_hosts` is no host.
        """
        self._ports = DEFAULT_PORTS | frozenset(allow_ports)
        self._exempt: set[tuple[str, int | None]] = set()
        for entry in allow_hosts:
            self._exempt.add(_split_authority(entry.lower()))
        # What a URL says by itself never changes, and a tool's is judged at every attempt.
        self._known: dict[str, GuardedUrl] = {}

    def check(self, url: str) -> GuardedUrl:
        """Judge a URL by itself, without asking anybody.

        Raises:
            UrlRefused: It is not called.
        """
        known = self._known.get(url)
        if known is None:
            known = self._judge(url)
            if len(self._known) >= _KEPT_URLS:
                self._known.clear()
            self._known[url] = known
        return known

    def _judge(self, url: str) -> GuardedUrl:
        scheme, host, port, rest = _read(url)
        effective = port or (443 if scheme == "https" else 80)
        exempt = (host, effective) in self._exempt
        if not exempt and effective not in self._ports:
            raise UrlRefused("The URL's port is not allowed.")
        exempt = exempt or (host, None) in self._exempt
        if not exempt:
            _judge_host(host)
        shown = f"[{host}]" if ":" in host else host
        authority = shown if port is None else f"{shown}:{port}"
        try:
            # What is well formed is sent as it was written: a signature may be among it.
            encoded = _ENCODED.fullmatch(rest) is not None
            parsed = URL(f"{scheme}://{authority}{rest}", encoded=encoded)
        except ValueError as error:
            raise UrlRefused("The URL cannot be read.") from error
        if parsed.raw_host != host or parsed.port != effective or parsed.user is not None:
            raise UrlRefused("The URL cannot be read in only one way.")
        return GuardedUrl(parsed, exempt)


class PublicResolver(AbstractResolver):
    """Looks names up, and refuses those of which any address is not public."""

    def __init__(self, resolver: AbstractResolver) -> None:
        """Ask `resolver`, which is closed with this."""
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Every address of `host`.

        Raises:
            UrlRefused: One of them is not public: the others are no better company.
            OSError: It has none.
        """
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(entry["host"]) for entry in found):
            raise UrlRefused("The URL leads to an address that is not public.")
        return found

    async def close(self) -> None:
        """Close the resolver behind it."""
        await self._resolver.close()


def public_socket(address_info: AddressInfo) -> socket.socket:
    """A socket that is about to be connected to the address in `address_info`.

    Raises:
        AddressRefused: The address is not public.
    """
    family, kind, protocol, _, address = address_info
    if family not in (socket.AF_INET, socket.AF_INET6) or not is_public(str(address[0])):
        # The same words each time: several refusals are then still told as this one.
        raise AddressRefused("The address is not public")
    return socket.socket(family, kind, protocol)


def _read(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and what follows, of a URL in its only possible reading."""
    if not isinstance(url, str) or not url or len(url) > _MAX_URL_CHARS:
        raise UrlRefused("The URL is empty, or longer than 2048 characters.")
    if _UNSAFE.search(url):
        raise UrlRefused("The URL has a blank, a backslash or a control character in it.")
    if "#" in url:
        raise UrlRefused("The URL has a fragment, which is never sent.")
    match = _URL.fullmatch(url)
    if match is None:
        raise UrlRefused("The URL must begin with http:// or https://.")
    if "@" in match["authority"]:
        raise UrlRefused("The URL has a user name in it; use a header or a signature instead.")
    host, port = _split_authority(match["authority"].lower())
    rest = match["rest"] or "/"
    return match["scheme"].lower(), host, port, rest if rest.startswith("/") else f"/{rest}"


def _split_authority(authority: str) -> tuple[str, int | None]:
    host, colon, port = authority, "", ""
    if authority.startswith("["):
        inside, bracket, after = authority[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise UrlRefused("The URL's host cannot be read.")
        host, colon, port = _literal_v6(inside), after[:1], after[1:]
    else:
        host, colon, port = authority.partition(":")
        host = _normal_name(host)
    if not colon:
        return host, None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65_535):
        raise UrlRefused("The URL's port cannot be read.")
    return host, int(port)


def _literal_v6(text: str) -> str:
    if "%" in text:
        raise UrlRefused("The URL's address has a zone, and so is not public.")
    try:
        return str(IPv6Address(text))
    except AddressValueError as error:
        raise UrlRefused("The URL's host cannot be read.") from error


def _normal_name(name: str) -> str:
    """`name` in its one plain spelling: lower case, ASCII, without a trailing dot."""
    if not name.isascii():
        if unicodedata.normalize("NFKC", name).isascii():
            raise UrlRefused("The URL's host is a plain name in disguise.")
        try:
            name = idna.encode(name, uts46=True, std3_rules=True).decode()
        except (idna.IDNAError, UnicodeError) as error:
            raise UrlRefused("The URL's host cannot be read.") from error
    name = name.removesuffix(".").lower()
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlRefused("The URL's host cannot be read.")
    if _NUMERIC.fullmatch(labels[-1]):
        # Such a name is an address, to some: 127.1, 0x7f.1 and 2130706433 all lead home.
        try:
            return str(IPv4Address(name))
        except AddressValueError as error:
            raise UrlRefused("The URL's address must be written as in 192.0.2.1.") from error
    return name


def _judge_host(host: str) -> None:
    if ":" in host or _NUMERIC.fullmatch(host.rpartition(".")[2]):
        if not is_public(host):
            raise UrlRefused("The URL leads to an address that is not public.")
        return
    if "." not in host:
        raise UrlRefused("The URL's host is a name without a dot, which only means something here.")
    if host in _INTERNAL_NAMES or f".{host}".endswith(_INTERNAL_SUFFIXES):
        raise UrlRefused("The URL's host is an internal name.")
