"""One POST to an address that somebody else chose: public HTTPS or nothing (server-side request forgery, CWE-918).

The name is resolved once, every address that it leads to must be public, and the connection goes to one of those very
addresses; the name stays in SNI, in the certificate's check and in Host. Nothing is asked twice, so a name server that
changes its answer changes nothing. No redirect is followed, no proxy is used, time and size are bounded as a whole.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, cast

import idna

SECONDS = 5.0  # for everything: resolving, connecting, sending and reading
MOST_BYTES = 64 * 1024
HTTPS = 443
LONGEST_URL = 500

_URL = re.compile(r"https://(?P<host>[^/?#:@\[\]\\%]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!-~]*)?", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# Names that by their nature lead nowhere public (RFC 6761, 6762, 8375, 9476).
_PRIVATE_NAMES = ("localhost", "local", "internal", "home.arpa", "onion", "alt")
# What `is_global` lets through in one version of Python or another: addresses that stand for an IPv4 address, which would
# have to be judged in their place (mapped, NAT64, Teredo, 6to4 and its relays), site-local ones, protocols, documentation.
_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        *("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "192.88.99.0/24"),
        *("fec0::/10", "192.0.0.0/24", "3fff::/20"),
    )
)


class Refused(Exception):
    """An address to which nothing is sent from here. The text is for whoever gave it."""


@dataclass(frozen=True)
class Target:
    """Where a URL points: a host name as DNS has it, a port, and the rest as it is sent."""

    host: str
    port: int
    path: str


@dataclass(frozen=True)
class Answer:
    """What came back. `status` is None where nothing did; `trouble` says in one word what went wrong, if anything did."""

    status: int | None = None
    body: bytes = b""
    trouble: str = ""


def system_resolver(host: str, port: int) -> list[str]:
    """Every address that the machine's resolver knows for a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class Way:
    """How one gets out. All but the defaults is for tests and demonstrations; production refuses it (settings).

    `trusted` are addresses to which one may go though they are not public.
    """

    ports: frozenset[int] = frozenset({HTTPS})
    trusted: frozenset[str] = frozenset()
    ca_file: str | None = None
    resolve: Callable[[str, int], Sequence[str]] = system_resolver
    seconds: float = SECONDS


def target(url: str, ports: frozenset[int] = frozenset({HTTPS})) -> Target:
    """Read a URL strictly: `https://name/path`, and no other way of writing anything. Raises Refused."""
    if len(url) > LONGEST_URL:
        raise Refused(f"The address must have {LONGEST_URL} characters or fewer")
    found = _URL.fullmatch(url)
    if found is None or "#" in (found["path"] or ""):
        raise Refused("The address must look like https://hooks.example.com/candour, without a user name or a fragment")
    port = int(found["port"] or HTTPS)
    if port not in ports:
        raise Refused("The address must not name a port: only the ordinary one for https is used")
    return Target(_host(found["host"]), port, found["path"] or "/")


def _host(written: str) -> str:
    try:
        host = idna.encode(written.removesuffix("."), uts46=True).decode().lower()
    except idna.IDNAError as error:
        raise Refused("The address must contain a valid host name") from error
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(host) > 253:
        raise Refused("The address must contain a valid host name")
    if labels[-1][0].isdigit():  # 127.1, 0x7f000001 and 2130706433 are numbers to somebody; no public name ends in one
        raise Refused("The address must contain a name, not a number")
    if len(labels) < 2 or host.endswith(tuple(f".{name}" for name in _PRIVATE_NAMES)):
        raise Refused("The address must be one that anybody on the internet can reach")
    return host


def is_public(address: str) -> bool:
    """Whether an address lies on the public internet, in whatever way it is written. No doubt is given its benefit."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if "%" in address or any(found in network for network in _NOT_PUBLIC):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified or found.is_private)


def post(url: str, body: bytes, headers: Mapping[str, str], way: Way) -> Answer:
    """Send `body` once. Whatever happens is an Answer: nothing raises, and it takes no longer than `way.seconds`."""
    until = monotonic() + way.seconds
    try:
        goal = target(url, way.ports)
        addresses = _resolved(goal, way, until)
        connection = _Pinned(goal, addresses, _context(way.ca_file), until)
        try:
            return _exchange(connection, goal, body, headers)
        finally:
            connection.close()
    except Refused:
        return Answer(trouble="refused")
    except TimeoutError:
        return Answer(trouble="timeout")
    except ssl.SSLCertVerificationError:
        return Answer(trouble="certificate")
    except socket.gaierror:
        return Answer(trouble="name")
    except (http.client.HTTPException, ValueError):
        return Answer(trouble="protocol")
    except OSError:
        return Answer(trouble="connection")


def _exchange(connection: _Pinned, goal: Target, body: bytes, headers: Mapping[str, str]) -> Answer:
    connection.request("POST", goal.path, body, {**headers, "Accept-Encoding": "identity", "Connection": "close"})
    response = connection.getresponse()
    try:
        text = response.read(MOST_BYTES)
    except (OSError, http.client.HTTPException):
        if not 200 <= response.status < 300:
            raise
        return Answer(response.status, trouble="body")  # it said that it took it; what it says besides is cut short
    finally:
        response.close()
    return Answer(response.status, text)


def _resolved(goal: Target, way: Way, until: float) -> list[str]:
    """The addresses of the name, all of them public. Raises Refused, TimeoutError, socket.gaierror."""
    # The system's resolver knows no time limit: it is waited for from outside.
    answers: SimpleQueue[Sequence[str] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(way.resolve(goal.host, goal.port))
        except Exception as error:  # handed over, and raised below
            answers.put(error)

    Thread(target=ask, daemon=True, name="resolver").start()
    try:
        found = answers.get(timeout=_left(until))
    except Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    if not found:
        raise socket.gaierror
    if not all(address in way.trusted or is_public(address) for address in found):
        raise Refused
    return list(found)


def _left(until: float) -> float:
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _HurriedSocket
    return context


class _HurriedSocket(ssl.SSLSocket):
    """A socket whose reads and writes share one deadline: a byte every four seconds does not keep it open."""

    until: float

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_left(self.until))
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_left(self.until))
        return super().send(*args, **kwargs)


class _Pinned(http.client.HTTPSConnection):
    """A connection to addresses that have been looked at; the name is for SNI, certificate and Host alone."""

    def __init__(self, goal: Target, addresses: Sequence[str], context: ssl.SSLContext, until: float) -> None:
        super().__init__(goal.host, goal.port, context=context)
        self._pinned, self._tls, self._until = addresses, context, until

    def connect(self) -> None:
        plain = self._reach()
        try:
            plain.settimeout(_left(self._until))
            wrapped = cast(_HurriedSocket, self._tls.wrap_socket(plain, server_hostname=self.host))
        except BaseException:
            plain.close()
            raise
        wrapped.until = self._until
        self.sock = wrapped

    def _reach(self) -> socket.socket:
        failed: OSError | None = None
        for address in self._pinned:
            try:
                return socket.create_connection((address, self.port), timeout=_left(self._until))
            except OSError as error:
                failed = error
        raise failed or ConnectionError
