"""What goes out goes to public HTTPS addresses: forty-odd ways to be led elsewhere, and a tripwire that nobody touches."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from notifications.outbound import MOST_BYTES, Refused, Way, is_public, post, system_resolver, target
from tests.notifications.receivers import OUTSIDE, NameServer, Receiver, Tripwire, certificates, receiver

NAME = "hooks.candour.test"
# Each with a port put in for {p}: what a sloppy reader of URLs, or one that looks only once, takes to loopback.
URLS = [
    "https://127.0.0.1:{p}/",
    "https://127.0.0.1/",
    "https://127.1:{p}/",
    "https://127.0.1:{p}/",
    "https://127.255.255.254:{p}/",
    "https://2130706433:{p}/",
    "https://0x7f000001:{p}/",
    "https://0x7f.0x0.0x0.0x1:{p}/",
    "https://0177.0.0.1:{p}/",
    "https://017700000001:{p}/",
    "https://0:{p}/",
    "https://0.0.0.0:{p}/",
    "https://[::1]:{p}/",
    "https://[::]:{p}/",
    "https://[::ffff:127.0.0.1]:{p}/",
    "https://[::ffff:7f00:1]:{p}/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]:{p}/",
    "https://[64:ff9b::7f00:1]:{p}/",
    "https://[fd00::1]:{p}/",
    "https://[fe80::1%25lo]:{p}/",
    "https://169.254.169.254/latest/meta-data/",
    "https://localhost:{p}/",
    "https://LOCALHOST:{p}/",
    "https://localhost.:{p}/",
    "https://a.localhost:{p}/",
    "https://printer.local:{p}/",
    "https://metadata.google.internal:{p}/",
    "https://１２７.０.０.１:{p}/",
    "https://①②⑦.0.0.1:{p}/",
    "https://127。0。0。1:{p}/",
    "https://user@127.0.0.1:{p}/",
    "https://hooks.candour.test:{p}@127.0.0.1:{p}/",
    "https://hooks.candour.test@127.0.0.1:{p}/",
    "https://127.0.0.1:{p}#@hooks.candour.test/",
    "https://127.0.0.1:{p}\\@hooks.candour.test/",
    "https://hooks.candour.test\\.127.0.0.1:{p}/",
    "https:///127.0.0.1:{p}/",
    "https:127.0.0.1:{p}/",
    "//127.0.0.1:{p}/",
    "http://127.0.0.1:{p}/",
    "ftp://127.0.0.1:{p}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{p}/_POST",
    "unix:///run/postgresql/.s.PGSQL.5432",
    "https://127.0.0.1%00.candour.test:{p}/",
    "https://127.0.0.1\t:{p}/",
    "https://%31%32%37.0.0.1:{p}/",
    " https://127.0.0.1:{p}/",
    "https://127.0.0.1:{p}/\r\nHost: hooks.candour.test",
    "https://{long}.candour.test:{p}/",
    # These are written well; it is the name server that leads astray.
    "https://loopback.candour.test:{p}/",
    "https://loopback6.candour.test:{p}/",
    "https://mapped.candour.test:{p}/",
    "https://nat64.candour.test:{p}/",
    "https://private.candour.test:{p}/",
    "https://metadata.candour.test:{p}/",
    "https://both.candour.test:{p}/",
    "https://nowhere.candour.test:{p}/",
]
NOT_PUBLIC = """
127.0.0.1 0.0.0.0 10.1.2.3 172.16.0.1 192.168.0.1 100.64.0.1 169.254.169.254 192.0.0.8 192.0.2.1 192.88.99.1 198.18.0.1
198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 ::1 :: ::127.0.0.1 ::ffff:8.8.8.8 64:ff9b::808:808
64:ff9b:1::1 2001::1 2001:db8::1 2002:808:808::1 3fff::1 fc00::1 fd00::1 fe80::1 fe80::1%lo fec0::1 ff02::1 127.1
0x7f000001 localhost
""".split()  # noqa: SIM905 - more readable than a list
NAMES: dict[str, list[Any]] = {
    NAME: [[OUTSIDE]],
    "loopback.candour.test": [["127.0.0.1"]],
    "loopback6.candour.test": [["::1"]],
    "mapped.candour.test": [["::ffff:127.0.0.1"]],
    "nat64.candour.test": [["64:ff9b::7f00:1"]],
    "private.candour.test": [["10.0.0.1", "192.168.1.1", "fd00::1"]],
    "metadata.candour.test": [["169.254.169.254"]],
    "both.candour.test": [[OUTSIDE, "127.0.0.1"]],
    "rebind.candour.test": [[OUTSIDE], ["127.0.0.1"]],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificates(tmp_path_factory.mktemp("tls"), NAME, "rebind.candour.test")


@pytest.fixture
def outside(files: tuple[Path, Path]) -> Iterator[Receiver]:
    made = receiver(files[1])
    yield made
    made.stop()


@pytest.fixture
def tripwire(outside: Receiver) -> Iterator[Tripwire]:
    made = Tripwire(outside.port)
    yield made
    made.stop()


@pytest.fixture
def names() -> Iterator[NameServer]:
    made = NameServer(NAMES)
    yield made
    made.stop()


@pytest.fixture
def way(files: tuple[Path, Path], outside: Receiver, names: NameServer) -> Way:
    """As it is in production, but for the port, the authority and the one address that stands for the internet."""
    ports, trusted = frozenset({443, outside.port}), frozenset({OUTSIDE})
    return Way(ports=ports, trusted=trusted, ca_file=str(files[0]), resolve=names.resolver(), seconds=2)


def url(outside: Receiver, path: str = "/ok", name: str = NAME) -> str:
    return f"https://{name}:{outside.port}{path}"


def test_message_gets_there(way: Way, outside: Receiver, tripwire: Tripwire) -> None:
    """The control: with this way of going out, what may be reached is reached."""
    answer = post(url(outside), b"{}", {"webhook-id": "msg_1"}, way)
    assert (answer.status, answer.body, answer.trouble) == (200, b"{}", "")
    (got,) = outside.got
    assert got.headers["host"] == f"{NAME}:{outside.port}"
    assert got.headers["webhook-id"] == "msg_1"


def test_no_address_of_the_list_leads_to_loopback(
    way: Way, outside: Receiver, tripwire: Tripwire, record_property: Callable[[str, object], None]
) -> None:
    for written in URLS:
        answer = post(written.format(p=tripwire.port, long="a" * 64), b"{}", {}, way)
        assert answer.status is None, written
        assert answer.trouble in {"refused", "name"}, (written, answer.trouble)
    assert tripwire.touched == 0
    assert outside.got == []
    assert len(URLS) >= 40
    record_property("figure", f"{len(URLS)} URLs that lead elsewhere: {tripwire.touched} connections to loopback")


def test_tripwire_is_touched_by_a_careless_client(tripwire: Tripwire) -> None:
    """The negative control."""
    for written in ("https://127.0.0.1:{p}/", "https://127.1:{p}/", "https://localhost:{p}/"):
        with pytest.raises(OSError, match=r"."):
            urllib.request.urlopen(written.format(p=tripwire.port), timeout=2)
    assert tripwire.touched >= 3


def test_name_that_changes_its_address_leads_nowhere(
    way: Way, outside: Receiver, tripwire: Tripwire, names: NameServer
) -> None:
    """Public at the first question, loopback at the second: the first goes where it was looked at, the second nowhere."""
    there = url(outside, name="rebind.candour.test")
    assert post(there, b"{}", {}, way).status == 200
    assert names.asked["rebind.candour.test"] == 2, "asked once, for both kinds of address"
    assert post(there, b"{}", {}, way).trouble == "refused"
    assert (len(outside.got), tripwire.touched) == (1, 0)


@pytest.mark.parametrize(
    "place",
    ["https://127.0.0.1:{p}/", "http://127.0.0.1:{p}/", "https://hooks.candour.test:{p}/ok", "//[::1]:{p}/", "/ok"],
)
def test_redirect_is_not_followed(way: Way, outside: Receiver, tripwire: Tripwire, place: str) -> None:
    answer = post(url(outside, f"/redirect/{place.format(p=tripwire.port)}"), b"{}", {}, way)
    assert answer.status == 302
    assert (len(outside.got), tripwire.touched) == (1, 0)


def test_proxy_of_the_environment_is_not_used(
    way: Way, outside: Receiver, tripwire: Tripwire, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{tripwire.port}")
    assert post(url(outside), b"{}", {}, way).status == 200
    assert tripwire.touched == 0


def test_certificate_must_be_good_and_for_the_name(way: Way, outside: Receiver, names: NameServer) -> None:
    names.names["other.candour.test"], names.asked["other.candour.test"] = [[OUTSIDE]], 0
    assert post(url(outside, name="other.candour.test"), b"{}", {}, way).trouble == "certificate"
    unknown = Way(ports=way.ports, trusted=way.trusted, resolve=way.resolve, seconds=2)
    assert post(url(outside), b"{}", {}, unknown).trouble == "certificate"
    assert outside.got == []


@pytest.mark.parametrize(("path", "trouble"), [("/hang", "timeout"), ("/drip", "timeout"), ("/reset", "connection")])
def test_time_is_bounded_as_a_whole(way: Way, outside: Receiver, path: str, trouble: str) -> None:
    started = time.monotonic()
    answer = post(url(outside, path), b"{}", {}, way)
    assert (answer.status, answer.trouble) in {(None, trouble), (None, "protocol")}
    assert time.monotonic() - started < way.seconds + 0.5


def test_resolver_that_hangs_does_not_hold_it(way: Way, outside: Receiver) -> None:
    def slow(_host: str, _port: int) -> list[str]:
        time.sleep(5)
        return [OUTSIDE]

    started = time.monotonic()
    stuck = Way(ports=way.ports, trusted=way.trusted, ca_file=way.ca_file, resolve=slow, seconds=0.5)
    assert post(url(outside), b"{}", {}, stuck).trouble == "timeout"
    assert time.monotonic() - started < 1.5


def test_long_answer_is_cut_short(way: Way, outside: Receiver) -> None:
    answer = post(url(outside, "/huge"), b"{}", {}, way)
    assert (answer.status, len(answer.body)) == (200, MOST_BYTES)


def test_nobody_there(way: Way, outside: Receiver) -> None:
    outside.stop()
    assert post(url(outside), b"{}", {}, way).trouble == "connection"


def test_production_takes_the_ordinary_port_and_trusts_nobody() -> None:
    way = Way()
    assert (way.ports, way.trusted, way.ca_file, way.resolve) == ({443}, set(), None, system_resolver)
    with pytest.raises(Refused):
        target("https://hooks.example.com:8443/")


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4009::200e"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "2002:808:808::1",
        "3fff::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "fe80::1%lo",
        "fec0::1",
        "ff02::1",
        "127.1",
        "0x7f000001",
        "localhost",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_names_are_read_as_dns_has_them() -> None:
    assert target("https://Bücher.example./x?y=1").host == "xn--bcher-kva.example"
    assert target("https://hooks.example.com").path == "/"
