"""The other side of webhooks: HTTPS receivers that behave as they are told, a name server that lies, and a tripwire."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ledger.time import now

OUTSIDE = "127.0.0.2"  # stands for the public internet: tests name it as trusted
TEN_MEGABYTES = 10 * 1024 * 1024


# --- Certificates ---------------------------------------------------------------------------------------------------------
def certificates(folder: Path, *names: str) -> tuple[Path, Path]:
    """An authority's certificate, and a file with key and certificate for `names` that it signed."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
    ca = _certificate(issuer, issuer, ca_key, ca_key, x509.BasicConstraints(ca=True, path_length=0))
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    leaf = _certificate(subject, issuer, key, ca_key, alternative)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "leaf.pem").write_bytes(private + leaf.public_bytes(pem))
    return folder / "ca.pem", folder / "leaf.pem"


def _certificate(subject: Any, issuer: Any, key: Any, signer: Any, extension: Any) -> x509.Certificate:
    instant = now()
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(instant - timedelta(days=1)).not_valid_after(instant + timedelta(days=2))
    return builder.add_extension(extension, critical=False).sign(signer, hashes.SHA256())


# --- Receivers ------------------------------------------------------------------------------------------------------------
@dataclass
class Got:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """An HTTPS server; the first part of a path says how it behaves: `/ok`, `/hang`, `/reset`, `/500` and so on."""

    server: ThreadingHTTPServer
    got: list[Got] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    mended: bool = False  # from now on it takes everything

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def at(self, path: str) -> list[Got]:
        return [got for got in self.got if got.path == path]

    def stop(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def receiver(leaf: Path, address: str = OUTSIDE) -> Receiver:
    """Start one on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.got.append(Got(self.path, headers, body, time.monotonic()))
            behave(self, found, body)

        def log_message(self, *_args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def get_request(self) -> Any:
            connected, client = super().get_request()
            connected.settimeout(20)
            # The handshake belongs to the thread of the request, not to the loop that accepts.
            return context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False), client

        def handle_error(self, *_args: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf)
    found = Receiver(Server((address, 0), Handler))
    threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return found


def behave(request: BaseHTTPRequestHandler, here: Receiver, body: bytes) -> None:
    """Answer as the path says. A challenge is echoed whatever the path, but for `/mute`."""
    how = "ok" if here.mended else request.path.split("/")[1]
    message = json.loads(body or b"{}")
    if message.get("type") == "endpoint.verification" and how not in {"mute", "redirect", "drip"}:
        _answer(request, 200, json.dumps({"challenge": message["data"]["challenge"]}).encode())
    elif how == "hang":
        here.release.wait(60)
    elif how == "reset":
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.connection.close()
    elif how == "huge":
        _answer(request, 200, b"x" * TEN_MEGABYTES)
    elif how == "drip":
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not here.release.wait(0.2):
            request.wfile.write(b"X")
    elif how == "redirect":
        request.send_response(302)
        request.send_header("Location", request.path.removeprefix("/redirect/"))
        request.send_header("Content-Length", "0")
        request.end_headers()
    else:
        _answer(request, int(how) if how.isdecimal() else 200, b"{}")


def _answer(request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


# --- A tripwire -----------------------------------------------------------------------------------------------------------
class Tripwire:
    """Listens on loopback and counts who comes; `port` may be given so that it stands beside a receiver's."""

    def __init__(self, port: int = 0) -> None:
        self.touched = 0
        self._sockets = [_listening(socket.AF_INET, "127.0.0.1", port)]
        self.port = int(self._sockets[0].getsockname()[1])
        if socket.has_ipv6:
            self._sockets += [_listening(socket.AF_INET6, "::1", self.port)]
        for listening in self._sockets:
            threading.Thread(target=self._count, args=[listening], daemon=True).start()

    def _count(self, listening: socket.socket) -> None:
        while True:
            try:
                connected, _ = listening.accept()
            except OSError:
                return
            self.touched += 1
            connected.close()

    def stop(self) -> None:
        for listening in self._sockets:
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()


def _listening(family: int, address: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    made.listen(64)
    return made


def outside_resolver(_host: str, _port: int) -> list[str]:
    """For the setting WEBHOOK_RESOLVER: every name leads to the receiver."""
    return [OUTSIDE]


# --- A name server --------------------------------------------------------------------------------------------------------
class NameServer:
    """Answers DNS over UDP; for each name a list of answers that it goes through, staying with the last."""

    def __init__(self, names: dict[str, list[Sequence[str]]]) -> None:
        self.names, self.asked = names, dict.fromkeys(names, 0)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.running = True
        self._socket.settimeout(0.1)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self.running:
            try:
                asked, client = self._socket.recvfrom(512)
            except TimeoutError:
                continue
            self._socket.sendto(self._answer(asked), client)
        self._socket.close()

    def _answer(self, asked: bytes) -> bytes:
        name, end = _name(asked, 12)
        (kind,) = struct.unpack("!H", asked[end : end + 2])
        answers = self.names.get(name, [])
        found: Sequence[str] = []
        if answers:
            found = answers[min(self.asked[name] // 2, len(answers) - 1)]  # A and AAAA make one question
            self.asked[name] += 1
        family, wanted = {1: (socket.AF_INET, "."), 28: (socket.AF_INET6, ":")}[kind]
        packed = [socket.inet_pton(family, a) for a in found if wanted in a and not (wanted == "." and ":" in a)]
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(data)) + data for data in packed)
        flags = 0x8180 if answers else 0x8183
        return asked[:2] + struct.pack("!HHHHH", flags, 1, len(packed), 0, 0) + asked[12 : end + 4] + records

    def resolver(self) -> Callable[[str, int], list[str]]:
        """Asks this name server, as the machine's own resolver would ask its."""

        def resolve(host: str, _port: int) -> list[str]:
            return [address for kind in (1, 28) for address in self._ask(host, kind)]

        return resolve

    def _ask(self, host: str, kind: int) -> list[str]:
        question = b"".join(bytes([len(label)]) + label.encode() for label in host.split(".")) + b"\0"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.sendto(b"\x12\x34\x01\0\0\1\0\0\0\0\0\0" + question + struct.pack("!HH", kind, 1), self._address)
            answer = client.recv(512)
        if answer[3] & 0xF:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        (count,) = struct.unpack("!H", answer[6:8])
        at, found = 12 + len(question) + 4, []
        for _ in range(count):
            (size,) = struct.unpack("!H", answer[at + 10 : at + 12])
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            found.append(socket.inet_ntop(family, answer[at + 12 : at + 12 + size]))
            at += 12 + size
        return found

    @property
    def _address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def stop(self) -> None:
        self.running = False


def _name(packet: bytes, at: int) -> tuple[str, int]:
    labels = []
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels).lower(), at + 1
