# ruff: noqa: RUF001 - letters that look like others are what this is about.
from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_core.tools.public_addresses import is_public
from patter_core.tools.url_guard import AddressRefused, UrlGuard, UrlRefused, public_socket
from patter_core.tools.webhook import WebhookFailed, Webhooks
from tests.tools.connections import connections
from tests.tools.resolvers import Answers

HOSTILE_URLS = [
    # Loopback and private addresses, in every spelling.
    "http://127.0.0.1/",
    "http://127.0.0.1:8080/x",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0177.0.0.1/",
    "http://0177.0.0.01/",
    "http://017700000001/",
    "http://0/",
    "http://0.0.0.0/",
    "http://127.0.0.1./",
    "http://127.0.0.01/",
    "http://00000177.0.0.1/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://①②⑦.0.0.1/",
    "http://%31%32%37.0.0.1/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.1.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://8.8.8.8.0x7f/",
    "http://999.999.999.999/",
    # IPv6, and IPv4 inside of it.
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:169.254.169.254]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2606:4700:4700:0:0:5efe:7f00:1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[2606:4700::1%25lo]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[100::1]/",
    "http://[::1/",
    "http://[::1]x/",
    "http://[v1.x]/",
    # Metadata, by address and by name.
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://168.63.129.16/",
    "http://[fd20:ce::254]/",
    "http://[fd00:42::42]/",
    "http://metadata.google.internal/computeMetadata/v1",
    "http://METADATA.Google.Internal./",
    "http://metadata.goog/",
    "http://metadata/",
    "http://instance-data/",
    "http://instance-data.ec2.internal/",
    "http://metadata.tencentyun.com/",
    "http://metadata.azure.internal/",
    "http://kubernetes.default/",
    "http://kubernetes.default.svc/",
    "http://rancher-metadata/",
    # Names that mean something only here.
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://localhost.localdomain/",
    "http://api.localhost/",
    "http://printer.local/",
    "http://db.internal/",
    "http://router.home.arpa/",
    "http://intranet/",
    "http://x.svc.cluster.local/",
    "http://ｌｏｃａｌｈｏｓｔ/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://local\u00adhost/",
    "http://metadata。google。internal/",
    # Readings that differ from parser to parser.
    "http://ok@127.0.0.1/",
    "http://api.example.com@127.0.0.1/",
    "http://api.example.com:80@127.0.0.1/",
    "http://127.0.0.1#@api.example.com/",
    "http://api.example.com#@127.0.0.1/",
    "http://api.example.com\\@127.0.0.1/",
    "http://127.0.0.1\\@api.example.com/",
    "http:\\\\127.0.0.1\\",
    "http:/127.0.0.1/",
    "http:127.0.0.1/",
    "http:///127.0.0.1/",
    "//127.0.0.1/",
    "http://api.example.com\t.internal/",
    "http://api.example.com\r\nHost: x/",
    "http://api.example.com\x00.evil/",
    " http://api.example.com/",
    "http://api.example.com /",
    "http://api.example.com%00.internal/",
    "http://api..example.com/",
    "http://api.example.com../",
    "http://.example.com/",
    "http://-api.example.com/",
    "http://exa$mple.com/",
    "http://" + "a" * 64 + ".example.com/",
    "http://" + "a." * 130 + "com/",
    "http://xn--/",
    "http://api.example.com/\u2028",
    "http://api.example.com/" + "x" * 2048,
    "http://",
    "http:///",
    "",
    # Schemes and ports.
    "ftp://api.example.com/",
    "file:///etc/passwd",
    "gopher://api.example.com/",
    "javascript:alert(1)",
    "HTTPX://api.example.com/",
    "unix:///var/run/docker.sock",
    "http://api.example.com:22/",
    "http://api.example.com:6379/",
    "http://api.example.com:0/",
    "http://api.example.com:/",
    "http://api.example.com:65616/",
    "http://api.example.com:+80/",
    "http://api.example.com:８０/",
    "http://api.example.com:80:80/",
]  # fmt: skip


@pytest.mark.parametrize("url", HOSTILE_URLS)
async def test_a_hostile_url_is_refused_and_nothing_is_connected_to(url: str):
    async with Webhooks(UrlGuard()) as webhooks:
        with connections() as seen, pytest.raises(UrlRefused) as caught:
            await webhooks.post(url, b"{}", {})
        assert seen == []
    assert "127" not in str(caught.value)


@pytest.mark.parametrize("url", [None, 3, b"http://api.example.com/", ("http://x",)])
def test_what_is_no_text_is_refused(url: Any):
    with pytest.raises(UrlRefused):
        UrlGuard().check(url)


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("https://api.example.com/orders/status", "https://api.example.com/orders/status"),
        ("https://api.example.com", "https://api.example.com/"),
        ("https://api.example.com?a=b", "https://api.example.com/?a=b"),
        ("HTTPS://API.Example.COM./x", "https://api.example.com/x"),
        ("http://api.example.com:8080/x?y=%2Fz&w=1%2B2", "http://api.example.com:8080/x?y=%2Fz&w=1%2B2"),
        ("https://bücher.example.com/", "https://xn--bcher-kva.example.com/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700:4700::1111]:8443/", "https://[2606:4700:4700::1111]:8443/"),
        ("https://my_api.example.com/ü", None),
        ("https://my_api.example.com/a[1]", "https://my_api.example.com/a%5B1%5D"),
    ],
)  # fmt: skip
def test_a_public_url_is_called_as_it_was_judged(url: str, called: str | None):
    guard = UrlGuard()
    if called is None:
        called = "https://my_api.example.com/%C3%BC"
    assert str(guard.check(url).url) == called
    assert guard.check(url) is guard.check(url)
    assert not guard.check(url).exempt


def test_hosts_and_ports_are_exempt_only_as_they_were_named():
    guard = UrlGuard(allow_hosts={"127.0.0.1:8123", "[::1]:99", "Intern"}, allow_ports={9000})
    assert guard.check("http://127.0.0.1:8123/").exempt
    assert guard.check("http://[0:0::1]:99/").exempt
    assert guard.check("http://intern:9000/").exempt
    assert not guard.check("http://api.example.com:9000/").exempt
    assert not guard.check("http://sub.intern/").exempt
    for url in (
        "http://127.0.0.1:8124/",
        "http://127.0.0.1/",
        "http://127.1:8123/",
        "http://127.0.0.2:8123/",
        "http://x@127.0.0.1:8123/",
        "http://intern:22/",
    ):
        with pytest.raises(UrlRefused):
            guard.check(url)


class Fickle(dict[str, Any]):
    """An address that is public when it is judged, and another one when it is used."""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if key == "host":
            self["host"] = "127.0.0.1"
        return value


class Rebinding(Answers):
    def entry(self, address: str, host: str, port: int) -> dict[str, Any]:
        return Fickle(super().entry(address, host, port))


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("169.254.169.254",),
        ("::1",),
        ("::ffff:10.0.0.1",),
        ("fe80::1%2",),
        ("8.8.8.8", "127.0.0.1"),
        ("127.0.0.1", "8.8.8.8"),
        ("2606:4700:4700::1111", "10.0.0.1"),
        ("8.8.8.8", "64:ff9b::7f00:1"),
    ],
)
async def test_a_name_with_any_inner_address_is_refused_before_a_socket_is_opened(
    addresses: tuple[str, ...],
):
    async with Webhooks(UrlGuard(), resolver=Answers(*addresses)) as webhooks:
        with connections() as seen, pytest.raises(UrlRefused):
            await webhooks.post("http://api.example.com/", b"{}", {})
        assert seen == []


async def test_a_name_that_changes_its_answer_after_it_was_judged_is_refused_at_the_socket():
    resolver = Rebinding("93.184.215.14")
    async with Webhooks(UrlGuard(), resolver=resolver) as webhooks:
        with connections() as seen, pytest.raises(UrlRefused):
            await webhooks.post("http://api.example.com/", b"{}", {})
        assert seen == []
    assert resolver.asked == 1


async def test_every_new_connection_is_judged_anew():
    resolver = Answers("127.0.0.1")
    async with Webhooks(UrlGuard(), resolver=resolver) as webhooks:
        for _ in range(3):
            with pytest.raises(UrlRefused):
                await webhooks.post("http://api.example.com/", b"{}", {})
    assert resolver.asked == 3


@pytest.mark.parametrize("delay", [None, 0.25])
@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("127.0.0.1", "10.0.0.1", "::1")])
async def test_the_socket_is_refused_whatever_the_resolver_says(
    addresses: tuple[str, ...], delay: float | None
):
    connector = aiohttp.TCPConnector(
        resolver=Answers(*addresses), socket_factory=public_socket, happy_eyeballs_delay=delay
    )
    async with aiohttp.ClientSession(connector=connector) as session:
        with connections() as seen, pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.post("http://api.example.com/")
        assert seen == []
    assert isinstance(caught.value.os_error, AddressRefused)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "[::1]"])
async def test_a_literal_that_no_resolver_sees_is_refused_at_the_socket(host: str):
    connector = aiohttp.TCPConnector(socket_factory=public_socket)
    async with aiohttp.ClientSession(connector=connector) as session:
        with connections() as seen, pytest.raises(aiohttp.ClientError):
            await session.post(f"http://{host}:8080/")
        assert seen == []


async def test_a_name_that_leads_nowhere_is_no_refusal():
    class Nowhere(Answers):
        async def resolve(self, *args: Any) -> list[Any]:
            raise OSError("no such name")

    async with Webhooks(UrlGuard(), resolver=Nowhere()) as webhooks:
        with pytest.raises(WebhookFailed) as caught:
            await webhooks.post("http://api.example.com/", b"{}", {})
    assert caught.value.retryable


async def test_a_server_at_an_exempt_host_is_reached_by_name(raw_server: Any):
    server = await raw_server(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    guard = UrlGuard(allow_hosts={f"localhost:{server.port}"})
    async with Webhooks(guard, resolver=Answers("127.0.0.1")) as webhooks, asyncio.timeout(30):
        assert await webhooks.post(f"http://localhost:{server.port}/", b"{}", {}) == "{}"


BLOCKED = [
    "0.1.2.3",
    "10.1.2.3",
    "100.127.255.255",
    "127.255.255.255",
    "169.254.0.23",
    "169.254.42.42",
    "172.31.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.255.1",
    "198.19.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "239.1.1.1",
    "240.0.0.1",
    "168.63.129.16",
    "2001::1",
    "2001:1ff::1",
    "2002:808:808::",
    "4000::1",
    "e000::1",
    "ff0e::1",
]
PUBLIC = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.1.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "192.169.0.1",
    "198.17.0.1",
    "223.255.255.255",
    "168.63.129.17",
    "2001:200::1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
]


def test_the_table_of_addresses_ends_where_it_should():
    assert [address for address in BLOCKED if is_public(address)] == []
    assert [address for address in PUBLIC if not is_public(address)] == []
    assert not is_public("api.example.com")
    assert not is_public("")


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_inside_another_is_judged_as_itself_or_refused(number: int):
    inner = str(IPv4Address(number))
    assert is_public(str(IPv6Address((0xFFFF << 32) | number))) == is_public(inner)
    hidden = (
        number,
        0xFFFF << 32 + 16 | number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80,
    )
    for disguise in hidden:
        assert not is_public(str(IPv6Address(disguise)))


@given(st.text(alphabet="htps:/.@#?[]%0123456789abcdefx\\ ｆ。-", max_size=30))
def test_any_text_is_either_refused_or_public_in_form(text: str):
    guard = UrlGuard()
    for url in (text, f"http://{text}", f"https://{text}/"):
        try:
            judged = guard.check(url)
        except UrlRefused:
            continue
        host = judged.url.raw_host
        assert host is not None
        assert "." in host or ":" in host
        assert host.isascii()
        assert judged.url.port in (80, 443, 8080, 8443)
        if not any(character in "ghijklmnopqrstuvwxyz_-" for character in host):
            with_digits_only = host.replace(".", "").isdigit()
            assert not with_digits_only or is_public(host)
