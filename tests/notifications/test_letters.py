"""Every letter that code names exists, reads well and says nothing that a stranger's mailbox should not hold."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from notifications.adapter import _LETTERS
from notifications.letters import render

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "templates" / "emails"
APPS = ("accounts", "cases", "disclosures", "evidence", "monitoring", "notifications")
FACTS: dict[str, Any] = {
    "reference": "N-2026-000007",
    "case": "C-2026-000003",
    "kind": "disclosure",
    "state": "Accepted",
    "number": "004",
    "name": "Kit Rowe",
    "organisation": "Kestrel & Sons Ltd",
    "role": "Company officer",
    "reason": "The letter came back",
    "change": "totp activated",
    "reset": "http://localhost:8000/account/password/reset/key/1-abc/",
    "sha256": "ab" * 32,
    "late": True,
    "again": False,
    "reopened": True,
    "due_at": "2026-10-16T23:00:00+00:00",
    "received_at": "2026-10-02T09:30:00+00:00",
    "expires_at": "2026-10-09T09:30:00+00:00",
    "refers_at": "2026-10-16T23:00:00+00:00",
    "until": "2026-10-30",
    "reasons": "canary-reasons",
    "address": "https://hooks.example.com/candour",
}


def named_in_code() -> set[str]:
    """The first argument of every `tell(...)`, `Letter(...)` and `render(...)` that is written out."""
    names = {name for name in _LETTERS.values() if name} | {"account_changed"}
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not node.args:
                    continue
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                first = node.args[0]
                writers = (
                    {"tell", "Letter", "render"} if "actions" in {path.stem, path.parent.name} else {"tell", "Letter"}
                )
                if called in writers and isinstance(first, ast.Constant):
                    names.add(str(first.value))
    return names


def templates() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def test_every_letter_that_code_names_exists_and_none_is_idle() -> None:
    assert named_in_code() == set(templates())


@pytest.mark.parametrize("name", templates())
def test_letter_has_a_subject_a_body_and_an_end(name: str) -> None:
    subject, body = render(name, FACTS, "/notices/N-2026-000007/")
    assert 10 < len(subject) <= 78
    assert "\n" not in subject
    assert body.rstrip().endswith("Candour\nhttp://localhost:8000")
    assert "http://localhost:8000/" in body or name == "referral_withdrawn"
    for text in (subject, body):
        assert not re.search(r"\{[{%]|&amp;|&#|T\d\d:\d\d|None|\n{3}", text), text
    assert "canary" not in body
    assert all(len(line) <= 78 or "://" in line for line in body.splitlines())


@pytest.mark.parametrize("name", templates())
def test_letter_bears_missing_and_empty_facts(name: str) -> None:
    assert render(name, {})[0]
    assert render(name, dict.fromkeys(FACTS, ""))[0]


def test_times_read_as_people_write_them() -> None:
    _, body = render("notice_issued", FACTS)
    assert "11:59pm on Friday 16 October 2026" in body
    _, body = render("extension_requested", FACTS)
    assert "until Friday 30 October 2026" in body
    _, body = render("filing_receipt", FACTS)
    assert "at 10:30am on Friday 2 October 2026" in body


def test_preservation_notice_has_no_last_day() -> None:
    _, body = render("notice_issued", {**FACTS, "due_at": ""})
    assert "due by" not in body
    assert "needs no answer" in body


def test_text_is_text_and_a_subject_is_one_line() -> None:
    subject, body = render("invitation", {**FACTS, "organisation": "A\r\nBcc: x@y.example & Co <b>"})
    assert subject == "Make your Candour account for A Bcc: x@y.example & Co <b>"
    assert "& Co <b>" in body


def test_what_looks_like_a_date_and_is_none_does_no_harm() -> None:
    assert render("extension_requested", {**FACTS, "until": "2026-99-99"})[1]
