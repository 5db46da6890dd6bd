"""The reference script for providers: its hashes, and the simhash of a template."""

import hashlib
import hmac
import json
import random
from pathlib import Path

import pytest

from monitoring import prepare
from tests.monitoring.preparing import KEY, ROW, folder, result, run

__all__ = ["folder"]


# --- Hashes -----------------------------------------------------------------------------------------------------------
def test_hashes_are_hmac_with_a_purpose(folder: Path) -> None:
    run(folder, [ROW | {"account_id": "same", "api_key": "same", "payment_method": "same", "session_id": "same"}])
    _, (row,) = result(folder)
    for column, said in (
        ("account", b"account\0same"),
        ("net", b"net\x00203.0.113.0/24"),
        ("session", b"session\0same"),
    ):
        assert row[column] == hmac.new(KEY, said, hashlib.sha256).hexdigest()[:32]
    assert len({row[column] for column in ("account", "key", "payment", "session")}) == 4


def test_another_key_makes_other_hashes_and_the_same_template(folder: Path) -> None:
    run(folder, [ROW])
    _, (one,) = result(folder)
    (folder / "key").write_bytes(bytes(32))
    run(folder, [ROW])
    _, (two,) = result(folder)
    for column in ("account", "key", "net", "payment", "prompt_hash", "prefix_hash", "session"):
        assert one[column] != two[column], column
    assert one["template"] == two["template"]
    run(folder, [ROW], "--key-templates")
    header, (three,) = result(folder)
    assert three["template"] != two["template"]
    assert header["simhash"]["shingle_hash"].endswith(" keyed")


def test_the_order_of_rows_changes_no_hash(folder: Path) -> None:
    rows = [ROW | {"account_id": n % 7, "prompt": f"Summarise report {n} for the board"} for n in range(50)]
    run(folder, rows)
    _, one = result(folder)
    run(folder, random.Random(1).sample(rows, len(rows)))
    _, two = result(folder)
    assert one != two
    assert sorted(map(json.dumps, one)) == sorted(map(json.dumps, two))


def test_the_same_input_gives_the_same_bytes(folder: Path) -> None:
    run(folder, [ROW] * 3)
    one = (folder / "out.jsonl.gz").read_bytes()
    run(folder, [ROW] * 3)
    assert (folder / "out.jsonl.gz").read_bytes() == one


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("203.0.113.77:443", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("[2001:db8:1:ffff::4]:443", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("198.51.100.4, 10.0.0.1", "198.51.100.0/24"),
    ],
)
def test_an_address_becomes_its_network(address: str, network: str) -> None:
    assert prepare.network(address) == network


# --- Simhash ----------------------------------------------------------------------------------------------------------
def test_simhashes_known_from_elsewhere() -> None:
    # `printf 'translate this word' | b2sum -l 64`: of one shingle every bit is its own majority.
    assert prepare.masked("Translate THIS word!") == ["translate", "this", "word"]
    assert prepare.simhash("Translate THIS word!") == "15919ca571f37d0e"
    # Of three shingles, each by b2sum, the majority: (a & b) | (b & c) | (a & c).
    a, b, c = 0x64F5901153C23B37, 0x81463A7FF16A5A3A, 0xF41CEF652DF6B381
    assert prepare.simhash("One, two; three four FIVE") == f"{(a & b) | (b & c) | (a & c):016x}" == "e454ba7571e23b33"


def test_simhash_agrees_with_counting_bit_by_bit() -> None:
    tokens = ["count", "the", "bits", "of", "every", "shingle", "of", "this", "sentence"]
    counts = [0] * 64
    for i in range(len(tokens) - 2):
        value = int.from_bytes(hashlib.blake2b(" ".join(tokens[i : i + 3]).encode(), digest_size=8).digest(), "big")
        for bit in range(64):
            counts[bit] += 1 if value >> bit & 1 else -1
    expected = sum(1 << bit for bit in range(64) if counts[bit] > 0)
    assert prepare.simhash(" ".join(tokens)) == f"{expected:016x}"


def test_what_differs_from_call_to_call_is_masked() -> None:
    one = prepare.masked("Order 1234 of “Ann Smith” at https://shop.example/o/1?x=2 isn't 'paid'")
    two = prepare.masked('order 7 of "Bo" at www.other.example isn\'t `open`')
    assert one == two == ["order", "0", "of", "<quoted>", "at", "<url>", "isn", "t", "<quoted>"]
    assert prepare.masked("gpt4 v10") == ["gpt0", "v0"]


def test_near_duplicates_are_within_ten_bits_and_others_are_not() -> None:
    template = (
        "You are a careful assistant. Read the customer's message below and classify it as a complaint, a question or "
        "praise. Answer with one word only and do not explain yourself. If the message contains several parts, choose the "
        "one that the customer cares about most. Never answer in any language but English, and never repeat "
        "the message. Message number "
    )
    fillings = ["17: my parcel has not come", "18: what are your opening hours", "4019: thanks, lovely shoes"]
    one, two, three = (int(prepare.simhash(template + filling), 16) for filling in fillings)
    assert max((one ^ two).bit_count(), (two ^ three).bit_count(), (one ^ three).bit_count()) <= 10
    other = int(
        prepare.simhash(
            "Write a short poem about the sea, in the manner of a sailor who has never been on board a ship"
        ),
        16,
    )
    assert (one ^ other).bit_count() > 15


def test_a_prompt_of_quotation_marks_costs_no_more_than_others() -> None:
    assert len(prepare.simhash("“" * 200_000)) == 16
    assert len(prepare.simhash("")) == 16


@pytest.mark.parametrize(
    ("kind", "column", "said"),
    [
        ("account", "account", ["acct-canary-1", " acct-canary-1 "]),
        ("key", "key", ["sk-canary-2"]),
        ("address", "net", ["203.0.113.77", "203.0.113.0/24"]),
    ],
)
def test_a_list_for_an_authorisation_has_the_hashes_that_a_log_has(
    folder: Path, kind: str, column: str, said: list[str]
) -> None:
    run(folder, [ROW])
    _, (row,) = result(folder)
    (folder / "list.txt").write_text("\ufeff" + "\n\n".join(said) + "\n")
    command = [str(folder / "list.txt"), str(folder / "hashed.txt"), "--key-file", str(folder / "key"), "--hash", kind]
    assert prepare.main(command) == 0
    assert (folder / "hashed.txt").read_text().split() == [row[column]] * len(said)
    assert (folder / "hashed.txt").stat().st_mode & 0o077 == 0
    assert prepare.main(command) == 1, "it never writes over a file unasked"


@pytest.mark.parametrize("wide", ["10.1.0.0/16", "10.1.0.0/25", "2001:db8::/32", "10.1.0.0/"])
def test_a_network_that_no_log_has_is_not_hashed(folder: Path, capsys: pytest.CaptureFixture[str], wide: str) -> None:
    (folder / "list.txt").write_text(f"{wide}\n")
    command = [str(folder / "list.txt"), str(folder / "hashed.txt"), "--key-file", str(folder / "key")]
    assert prepare.main([*command, "--hash", "address"]) == 1
    assert "a log has networks of /24 (IPv4) and /48 (IPv6)" in capsys.readouterr().err
    assert not (folder / "hashed.txt").exists()
    (folder / "list.txt").write_text("2001:db8:0:5::1\n2001:db8::/48\n")
    assert prepare.main([*command, "--hash", "address"]) == 0
    one, other = (folder / "hashed.txt").read_text().split()
    assert one == other


def test_a_line_of_a_list_that_is_no_address_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "list.txt").write_text("203.0.113.77\nexample.org\n")
    command = [str(folder / "list.txt"), str(folder / "hashed.txt"), "--key-file", str(folder / "key")]
    assert prepare.main([*command, "--hash", "address"]) == 1
    assert "Line 2 of" in capsys.readouterr().err
    assert not (folder / "hashed.txt").exists()
    (folder / "list.txt").write_bytes(b"\xff\n")
    assert prepare.main([*command, "--hash", "account"]) == 1
    assert "is not UTF-8 text" in capsys.readouterr().err
