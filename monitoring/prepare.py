"""Prepare a provider's own log for Candour: hashes instead of identifiers, fingerprints instead of prompts.

This file needs Python 3.11 and nothing else. Copy it to the machine where the log lies and run it there:

    python prepare.py --new-key KEY                        once; keep the file, it never leaves your house
    python prepare.py LOG OUT.jsonl.gz --key-file KEY      LOG: CSV or JSON Lines, plain or gzip

What is written: the columns of docs/usage-log.md and no others. Account, key, network (/24 or /48 of the address), payment,
prompt, its beginning and session are HMAC-SHA-256, 128 bits, each with a purpose of its own. `template` is a 64-bit simhash
(Charikar 2002) of the prompt's masked words. A row that cannot be read is skipped and counted; the first line of OUT says
how many and why. Exit: 0 written, 1 nothing written, 2 called wrongly.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import hmac
import io
import ipaddress
import json
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

TOOL_VERSION = "2"
LOG_VERSION = "CANDOUR-LOG-1"
HEADER_KEY = "candour_usage_log"
# What is read, and the names it may come under besides `--column`. Dots also reach into nested objects.
INPUT = {
    "ts": ("timestamp", "time", "created_at", "start_time", "startTimeUnixNano", "time_unix_nano"),
    "account": ("account_id", "enduser.id", "user.id", "organization_id", "organisation_id", "customer_id", "user_id"),
    "model": ("gen_ai.request.model", "gen_ai.response.model"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "prompt_tokens", "usage.input_tokens"),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "completion_tokens",
        "usage.output_tokens",
    ),
    "status": ("http.response.status_code", "http.status_code", "status_code"),
    "key": ("api_key", "api_key_id", "key_id"),
    "address": ("client.address", "ip", "ip_address", "client_ip", "remote_addr"),
    "endpoint": ("gen_ai.operation.name", "http.route", "path"),
    "prompt": ("messages", "gen_ai.input.messages", "gen_ai.prompt", "input"),
    "user_agent": ("ua", "user_agent.original"),
    "payment": ("payment_method", "payment_id"),
    "refused": ("refusal",),
    "finish_reason": ("gen_ai.response.finish_reasons", "finish_reasons"),
    "params": ("parameters",),
    "session": ("session_id", "conversation_id", "gen_ai.conversation.id"),
}
REQUIRED = ("ts", "account", "model", "input_tokens", "output_tokens", "status")
OUTPUT = (
    *REQUIRED, "key", "net", "endpoint", "prompt_hash", "template", "user_agent", "payment", "refused", "finish_reason",
    "params", "prefix_hash", "session",
)  # fmt: skip
PARAMS = ("logprobs", "logit_bias", "max_tokens", "temperature", "n", "reasoning")
LONGEST_LINE = 16 * 1024 * 1024  # bytes of one row
LARGEST_COUNT = 100_000_000  # tokens of one call
PREFIX = 2048  # characters: about 512 tokens of four characters
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Skip(Exception):
    """A row that is not taken over, and why; the reason never quotes the row."""


class Stop(Exception):
    """What ends the whole run, in words for whoever called."""


# --- The template -----------------------------------------------------------------------------------------------------
# In this order: an address, something in quotation marks (an apostrophe inside a word is none), a word. The bounds keep
# a prompt of nothing but opening quotation marks from costing the square of its length.
TOKEN = re.compile(
    r"(?P<url>(?:https?://|www\.)\S+)"
    r"|(?P<quoted>\"[^\"\n]{0,1000}\"|“[^”\n]{0,1000}”|«[^»\n]{0,1000}»|`[^`\n]{0,1000}`|(?<!\w)'[^'\n]{0,1000}'(?!\w))"
    r"|(?P<word>\w+)"
)
DIGITS = re.compile(r"\d+")
SIMHASH = {
    "bits": 64,
    "masking": "lower case; web addresses and quoted strings become one token each; every run of digits becomes 0",
    "shingle_tokens": 3,
    "shingle_hash": "BLAKE2b, 64 bits, unkeyed",
    "bit_set_if": "more than half of the shingles have it",
}


def masked(text: str) -> list[str]:
    """The words of a prompt with what differs from call to call taken out."""
    found = []
    for match in TOKEN.finditer(text.lower()):
        kind = match.lastgroup
        found.append(DIGITS.sub("0", match.group()) if kind == "word" else f"<{kind}>")
    return found


@lru_cache(maxsize=1 << 17)  # the same template says the same shingles again and again
def _shingle(text: str, key: bytes) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()


def simhash(text: str, key: bytes = b"") -> str:
    """The 64-bit simhash of a prompt, as 16 hexadecimal digits. Fewer than three words are one shingle."""
    tokens = masked(text)
    shingles = [" ".join(tokens[i : i + 3]) for i in range(max(1, len(tokens) - 2))]
    every = int.from_bytes(b"".join([_shingle(shingle, key) for shingle in shingles]), "big")
    lowest = int.from_bytes(b"\0\0\0\0\0\0\0\1" * len(shingles), "big")  # bit 0 of each shingle's hash
    bits = sum(1 << bit for bit in range(64) if 2 * ((every >> bit) & lowest).bit_count() > len(shingles))
    return f"{bits:016x}"


# --- One row ----------------------------------------------------------------------------------------------------------
class Preparer:
    """Turns rows of the provider's log into rows of a usage log, and counts what was left out."""

    def __init__(self, key: bytes, columns: dict[str, str], zone: tzinfo | None, key_templates: bool = False):
        self.key, self.zone = key, zone
        self.names = {name: (columns[name],) if name in columns else (name, *INPUT[name]) for name in INPUT}
        self.template_key = hmac.digest(key, b"template-key", "sha256") if key_templates else b""
        self.left_out: Counter[str] = Counter()

    def hashed(self, purpose: str, value: str) -> str:
        """128 bits of HMAC-SHA-256 over the purpose, a zero byte and the value."""
        said = purpose.encode() + b"\0" + value.encode("utf-8", "surrogatepass")
        return hmac.digest(self.key, said, "sha256")[:16].hex()

    def _named(self, purpose: str, value: Any) -> str:
        return self.hashed(purpose, identifier(value, purpose))

    def row(self, raw: dict[str, Any]) -> dict[str, Any]:
        """One row of a usage log, or Skip."""
        given = {name: value for name in INPUT if (value := self._value(raw, name)) is not None}
        if missing := [name for name in REQUIRED if name not in given]:
            raise Skip(f"{missing[0]}: missing")
        row: dict[str, Any] = {
            "ts": self.instant(given["ts"]),
            "account": self._named("account", given["account"]),
            "model": short_text(given["model"], "model"),
            "input_tokens": whole(given["input_tokens"], "input_tokens", 0, LARGEST_COUNT),
            "output_tokens": whole(given["output_tokens"], "output_tokens", 0, LARGEST_COUNT),
            "status": whole(given["status"], "status", 100, 599),
        }
        for name in ("key", "payment", "session"):
            self._try(row, name, given.get(name), partial(self._named, name))
        self._try(row, "net", given.get("address"), lambda v: self.hashed("net", network(v)))
        self._try(
            row,
            "endpoint",
            given.get("endpoint"),
            lambda v: short_text(route(v), "endpoint"),
        )
        self._try(row, "user_agent", given.get("user_agent"), lambda v: short_text(v[:500], "user_agent", 500))
        self._try(row, "refused", given.get("refused"), truth)
        self._try(row, "finish_reason", given.get("finish_reason"), ending)
        self._try(row, "params", given.get("params"), params)
        self._try(row, "prompt", given.get("prompt"), prompt_text)
        if "prompt" in row:
            text = row.pop("prompt")
            row["prompt_hash"] = self.hashed("prompt", text)
            row["prefix_hash"] = self.hashed("prefix", text[:PREFIX])
            row["template"] = simhash(text, self.template_key)
        return row

    def instant(self, value: Any) -> str:
        """RFC 3339 in UTC. Numbers are seconds, milliseconds, micro- or nanoseconds since 1970, by their size."""
        try:
            number = float(value) if not isinstance(value, bool) else None
        except (TypeError, ValueError, OverflowError):
            number = None
        try:
            if number is not None:
                scale = next(
                    unit for most, unit in ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9)) if abs(number) < most
                )
                moment = EPOCH + timedelta(seconds=number / scale)
            else:
                moment = datetime.fromisoformat(str(value).strip())
                if moment.tzinfo is None:
                    if self.zone is None:
                        raise Skip("ts: no time zone (say which with --zone)")
                    moment = moment.replace(tzinfo=self.zone)
            if not EARLIEST <= moment < LATEST:
                raise Skip("ts: before 2000 or after 2100")
        except (ValueError, OverflowError, StopIteration):
            raise Skip("ts: not a time") from None
        return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def _value(self, raw: dict[str, Any], name: str) -> Any:
        for title in self.names[name]:
            value = raw.get(title)
            if value is None and "." in title:
                value = raw
                for step in title.split("."):
                    value = value.get(step) if isinstance(value, dict) else None
            if value is not None and value != "":
                return value
        return None

    def _try(self, row: dict[str, Any], name: str, value: Any, make: Callable[[Any], Any]) -> None:
        """An optional column: what cannot be read is left out and counted, and the row stays."""
        if value is None:
            return
        try:
            row[name] = make(value)
        except (Skip, TypeError, ValueError, AttributeError, RecursionError) as error:
            self.left_out[str(error) if isinstance(error, Skip) else f"{name}: not understood"] += 1


def identifier(value: Any, name: str) -> str:
    """What names somebody, before it is hashed: 42 and "42" are the same."""
    if isinstance(value, bool | float | list | dict):
        raise Skip(f"{name}: not an identifier")
    if not (text := str(value).strip()):
        raise Skip(f"{name}: missing")
    return text


def short_text(value: Any, name: str, most: int = 200) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
        raise Skip(f"{name}: not a short text of one line")
    return value


def whole(value: Any, name: str, least: int, most: int) -> int:
    if isinstance(value, str):
        value = value.strip().removesuffix(".0")
    try:
        number = (
            int(value)
            if not isinstance(value, bool) and (isinstance(value, int | str) or value == int(value))
            else None
        )
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or not least <= number <= most:
        raise Skip(f"{name}: not a whole number from {least} to {most}")
    return number


def network(value: Any) -> str:
    """The network of an address: IPv4 /24, IPv6 /48. Of several addresses (forwarded) the first; a port does not count."""
    text = str(value).split(",")[0].strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        raise Skip("net: not an address") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


def truth(value: Any) -> bool:
    said = str(value).strip().lower()
    if said not in {"true", "false", "1", "0", "yes", "no"}:
        raise Skip("refused: neither yes nor no")
    return said in {"true", "1", "yes"}


def ending(value: Any) -> str:
    said = value[0] if isinstance(value, list) and value else value
    if not isinstance(said, str) or not re.fullmatch(r"[\w.-]{1,40}", said):
        raise Skip("finish_reason: not a word")
    return said


def params(value: Any) -> dict[str, Any]:
    """The parameters that the analysis knows, as numbers or yes and no. Which tokens a bias is for stays behind."""
    given = json.loads(value) if isinstance(value, str) else value
    if not isinstance(given, dict):
        raise Skip("params: not an object")
    found = {name: given[name] for name in PARAMS if given.get(name) is not None}
    found |= {name: bool(found[name]) for name in ("logit_bias", "reasoning") if name in found}
    return {name: value for name, value in found.items() if isinstance(value, int | float) and abs(value) < 1e9}


def route(path: str) -> str:
    """An endpoint without what is somebody's: no host, no query, and {} for parts that look like an identifier."""
    path = re.sub(r"^[A-Za-z][\w+.-]*://[^/]*", "", re.split(r"[?#]", path, maxsplit=1)[0])
    return "/".join("{}" if _names_somebody(part) else part for part in path.split("/"))


def _names_somebody(part: str) -> bool:
    """Whether a part of a path has a digit (but for a version such as v1), an @ or a %, or is long."""
    return len(part) > 30 or bool(re.search(r"[\d@%]", part) and not re.fullmatch(r"v\d+(\w{0,6}|\.\d+)", part))


def prompt_text(value: Any) -> str:
    """The prompt as one text: a text is itself; of messages the contents, one below the other."""
    if isinstance(value, str):
        if value[:1] not in "[{":
            return value
        with suppress(ValueError, RecursionError):
            if pieces := list(_said(json.loads(value))):
                return "\n".join(pieces)
        return value
    pieces = list(_said(value))
    if not pieces:
        raise Skip("prompt: no text in it")
    return "\n".join(pieces)


def _said(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _said(part)
    elif isinstance(value, dict):
        yield from _said(next((value[name] for name in ("content", "parts", "text") if value.get(name)), None))


# --- Reading ----------------------------------------------------------------------------------------------------------
class Hashing(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, raw: IO[bytes]):
        self.raw, self.sha256 = raw, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.raw.read(len(buffer))
        buffer[: len(piece)] = piece
        self.sha256.update(piece)
        return len(piece)


Found = tuple[int, dict[str, Any] | Skip]  # the number of a line, and its row or why there is none


def lines(file: IO[bytes], *, blank: bool = False) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines; None for one that is too long, which never stands in memory as a whole. Blank ones if asked for."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield number, None
        elif blank or line.strip():
            yield number, line


def json_rows(file: IO[bytes]) -> Iterator[Found]:
    for number, line in lines(file):
        if line is None:
            yield number, Skip("a line of more than 16 MB")
            continue
        try:
            row = json.loads(line.decode().removeprefix("\ufeff"))
        except UnicodeDecodeError:
            yield number, Skip("not UTF-8")
        except (ValueError, RecursionError):
            yield number, Skip("not JSON")
        else:
            if isinstance(row, dict) and HEADER_KEY in row:
                raise Stop("This is a usage log already: prepare the provider's own log.")
            yield number, row if isinstance(row, dict) else Skip("not an object")


def csv_rows(file: IO[bytes], preparer: Preparer) -> Iterator[Found]:
    too_long: list[int] = []
    used: list[int] = []  # the lines of the row that is read

    def texts() -> Iterator[str]:
        for number, line in lines(file, blank=True):  # there may be blank ones within a cell
            if line is None:
                too_long.append(number)
            else:
                used.append(number)
                yield line.decode("utf-8", "surrogateescape").removeprefix("\ufeff")

    feed = texts()
    first = next((line for line in feed if line.strip()), "")
    if first.startswith("#") and HEADER_KEY in first:
        raise Stop("This is a usage log already: prepare the provider's own log.")
    csv.field_size_limit(LONGEST_LINE)
    delimiter = max(",;\t", key=first.count)
    titles = _titles(next(csv.reader([first], delimiter=delimiter), []), preparer)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        used.clear()
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error:
            # A quotation mark that is not closed takes the lines after it with it: each of them may have been a row.
            for number in used:
                yield number, Skip("not CSV")
            continue
        if cells:
            yield from _row(cells, titles, used)
    for number in too_long:
        yield number, Skip("a line of more than 16 MB")


def _row(cells: list[str], titles: list[str], used: list[int]) -> Iterator[Found]:
    """A row from the lines `used`; or why there is none, of each of them, as each may have been one."""
    if len(cells) != len(titles):
        for number in used:
            yield number, Skip("not as many cells as columns")
    elif any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell if letter > "\ud7ff"):
        yield used[0], Skip("not UTF-8")
    else:
        yield used[0], dict(zip(titles, cells, strict=True))


def _titles(found: list[str], preparer: Preparer) -> list[str]:
    """The names of a CSV's columns, spelt as they are known here; or Stop, where one that is needed is not there."""
    known = {title.lower(): title for titles in preparer.names.values() for title in titles}
    titles = [known.get(title.strip().lower(), title.strip()) for title in found]
    # What is not known may be no name but a row, which is not told to a terminal.
    counted = Counter(titles)
    named = [title for title in counted if title.lower() in known]
    there = (
        f"Of the {len(titles):,} columns in the first line of the file these are known: {', '.join(named) or 'none'}."
    )
    if twice := [title for title, times in counted.items() if times > 1]:
        raise Stop(
            f"The column {twice[0]!r} is there twice. {there}"
            if twice[0] in named
            else f"A column is there twice. {there}"
        )
    for name, candidates in preparer.names.items():
        if (name in REQUIRED or len(candidates) == 1) and not set(candidates) & set(titles):
            raise Stop(
                f"There is no column for {name} ({', '.join(candidates)}): name it with --column {name}=NAME. {there}"
            )
    return titles


# --- A whole file -----------------------------------------------------------------------------------------------------
def prepare(
    source: Path, target: Path, preparer: Preparer, sampling: str = "none: every row of the input"
) -> dict[str, Any]:
    """Write `target` from `source` and return its header. On failure there is no `target`."""
    as_csv = ".csv" in target.suffixes
    read, written, skipped, first_at = 0, 0, Counter[str](), dict[str, int]()
    with source.open("rb") as raw, tempfile.TemporaryFile(dir=target.parent) as body:
        hashing = Hashing(raw)
        buffered = io.BufferedReader(hashing, 1 << 20)
        zipped = buffered.peek(2)[:2] == b"\x1f\x8b"
        file: IO[bytes] = gzip.GzipFile(fileobj=buffered) if zipped else buffered  # type: ignore[assignment]
        found = csv_rows(file, preparer) if ".csv" in source.suffixes else json_rows(file)
        with _out(body, target) as out:
            for number, row in found:
                read += 1
                try:
                    if isinstance(row, Skip):
                        raise row
                    out.write(_line(preparer.row(row), as_csv))
                    written += 1
                except Skip as error:
                    skipped[str(error)] += 1
                    first_at.setdefault(str(error), number)
        while buffered.read(1 << 20):  # what gzip did not need belongs to the file's hash
            pass
        for reason, times in skipped.most_common():
            sys.stderr.write(f"{times:,} skipped, the first in line {first_at[reason]:,}: {reason}\n")
        if not written:
            raise Stop(f"Of {read:,} rows none could be read, so nothing was written.")
        header = {
            "version": LOG_VERSION,
            "tool": "prepare.py",
            "tool_version": TOOL_VERSION,
            "hashes": "HMAC-SHA-256 over purpose, zero byte, value; 128 bits",
            "key_id": preparer.hashed("key-id", "")[:16],
            "input_sha256": hashing.sha256.hexdigest(),
            "rows_read": read,
            "rows_written": written,
            "rows_skipped": dict(sorted(skipped.items())),
            "left_out": dict(sorted(preparer.left_out.items())),
            "time_zone": f"times without a zone were taken as {preparer.zone}"
            if preparer.zone
            else "every time names its zone",
            "sampling": sampling,
            "networks": {"ipv4_bits": 24, "ipv6_bits": 48},
            "prefix_characters": PREFIX,
            "simhash": SIMHASH | ({"shingle_hash": "BLAKE2b, 64 bits, keyed"} if preparer.template_key else {}),
        }
        body.seek(0)
        _assemble(target, header, body, as_csv)
    return header


def _out(body: IO[bytes], target: Path) -> Any:
    """Where rows go: gzip without a date or a name, so that the same input gives the same bytes."""
    if target.suffix == ".gz":
        return gzip.GzipFile(filename="", mode="wb", fileobj=body, mtime=0)
    return nullcontext(body)


def _line(row: dict[str, Any], as_csv: bool) -> bytes:
    if not as_csv:
        return json.dumps(row, separators=(",", ":")).encode() + b"\n"
    cells = [json.dumps(v) if isinstance(v, dict | bool) else v for v in (row.get(name) for name in OUTPUT)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8", "replace")


def _assemble(target: Path, header: dict[str, Any], body: IO[bytes], as_csv: bool) -> None:
    """The header is known only at the end and stands first: a gzip member of its own, which readers take for one file."""
    begin = f"{'# ' if as_csv else ''}{json.dumps({HEADER_KEY: header})}\n"
    begin += ",".join(OUTPUT) + "\n" if as_csv else ""
    part = target.with_name(target.name + ".part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with _out(file, target) as out:
                out.write(begin.encode())
            shutil.copyfileobj(body, file, 1 << 20)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def hash_list(source: Path, target: Path, preparer: Preparer, kind: str) -> int:
    """Write the hash of each line of a list, in its order, as an authorisation names them. Returns how many.

    `kind` is account, key or address; of an address, or a network written with a slash, the network is hashed, as in a log.
    """
    hashes = []
    with source.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not (text := line.strip()):
                continue
            try:
                name = _network_of(text) if kind == "address" else identifier(text, kind)
            except Skip as error:
                raise Stop(f"Line {number} of {source}: {error}. Nothing was written.") from None
            hashes.append(preparer.hashed("net" if kind == "address" else kind, name))
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.writelines(f"{one}\n" for one in hashes)
    return len(hashes)


def _network_of(text: str) -> str:
    """Of an address, or of a network as long as those of a log: another would be the hash of no row."""
    address, slash, length = text.partition("/")
    found = network(address)
    if slash and length != found.partition("/")[2]:
        raise Skip(f"net: a log has networks of /24 (IPv4) and /48 (IPv6); list those within /{length}")
    return found


# --- The command ------------------------------------------------------------------------------------------------------
def new_key(path: Path) -> None:
    """32 random bytes that only their owner can read."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        raise Stop(f"{path} is there already. A new key makes new hashes: name another file.") from None


def read_key(path: Path) -> bytes:
    with path.open("rb") as file:
        key = file.read(33)
        if os.name == "posix" and os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Stop(f"Others can read {path}. Make it yours alone: chmod 600 {path}")
    if len(key) != 32:
        raise Stop(f"{path} is not a key: it must have 32 bytes. Make one with --new-key.")
    return key


def _arguments(words: Iterable[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="prepare.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "source", nargs="?", type=Path, metavar="LOG", help="the provider's own log: .csv, .jsonl, each also .gz"
    )
    parser.add_argument(
        "target", nargs="?", type=Path, metavar="OUT", help="the usage log: .csv, .jsonl, each also .gz"
    )
    parser.add_argument("--key-file", type=Path, metavar="KEY", help="the key that --new-key has made")
    parser.add_argument("--new-key", type=Path, metavar="KEY", help="make a key and stop")
    parser.add_argument("--column", action="append", default=[], metavar="NAME=YOURS", help=f"NAME: {', '.join(INPUT)}")
    parser.add_argument("--zone", help="the time zone of times that name none, such as Europe/London")
    parser.add_argument("--sampling", default="none: every row of the input", help="say it if this is not every row")
    parser.add_argument(
        "--key-templates", action="store_true", help="key the template too: not comparable with other providers"
    )
    parser.add_argument(
        "--hash",
        choices=("account", "key", "address"),
        help="LOG is a list, one a line: write their hashes, for an authorisation",
    )
    parser.add_argument("--force", action="store_true", help="write over OUT")
    found = parser.parse_args(None if words is None else list(words))
    if not found.new_key and not (found.source and found.target and found.key_file):
        parser.error("name LOG, OUT and --key-file, or --new-key")
    if (
        not found.hash
        and found.target
        and found.target.suffix == ".gz"
        and not {".csv", ".jsonl"} & set(found.target.suffixes[-2:-1])
    ):
        parser.error("OUT ends in .csv, .jsonl, .csv.gz or .jsonl.gz")
    columns = [said.partition("=") for said in found.column]
    if wrong := [name for name, _, yours in columns if name not in INPUT or not yours]:
        parser.error(f"--column {wrong[0]}: say NAME=YOURS, where NAME is one of {', '.join(INPUT)}")
    found.column = {name: yours for name, _, yours in columns}
    return found


def main(words: Iterable[str] | None = None) -> int:
    """The command; see the top of this file. Returns its exit code."""
    asked = _arguments(words)
    try:
        if asked.new_key:
            new_key(asked.new_key)
            return 0
        if asked.target.exists() and not asked.force:
            raise Stop(f"{asked.target} is there already. Say --force to write over it.")
        if asked.target.exists() and asked.target.samefile(asked.source):
            raise Stop("LOG and OUT are the same file.")
        zone = ZoneInfo(asked.zone) if asked.zone else None
        preparer = Preparer(read_key(asked.key_file), asked.column, zone, asked.key_templates)
        if asked.hash:
            count = hash_list(asked.source, asked.target, preparer, asked.hash)
            sys.stderr.write(f"{count:,} hashes written to {asked.target}\n")
            return 0
        header = prepare(asked.source, asked.target, preparer, asked.sampling)
    except Stop as error:
        problem = str(error)
    except UnicodeDecodeError:
        problem = f"{asked.source} is not UTF-8 text, so nothing was written."
    except (ZoneInfoNotFoundError, IsADirectoryError) as error:
        problem = (
            f"There is no time zone {asked.zone!r}." if isinstance(error, ZoneInfoNotFoundError) else "LOG is a folder."
        )
    except (EOFError, gzip.BadGzipFile, zlib.error):
        problem = f"{asked.source} is not a whole gzip file, so nothing was written."
    except OSError as error:
        problem = f"{error.filename or asked.target}: {(error.strerror or str(error)).lower()}"
    else:
        sys.stderr.write(f"{header['rows_written']:,} of {header['rows_read']:,} rows written to {asked.target}\n")
        return 0
    sys.stderr.write(f"prepare.py: {problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
