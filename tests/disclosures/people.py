"""The people of these tests: a filer with a colleague, a rival, the ministry, the authority; and how they file."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.models import User
from disclosures import actions as act
from disclosures.models import Filing
from ledger.time import now
from tests.cast import organisation, person
from tests.disclosures.content import BySection


@dataclass
class People:
    officer: User
    colleague: User
    rival: User
    newcomer: User
    caseworker: User
    supervisor: User
    authority: User
    auditor: User


def cast() -> People:
    harrier = organisation("Harrier Analytics plc", contacts=2)
    ministry = organisation("Ministry of Tests", kind="ministry")
    return People(
        officer=person(harrier, "company_officer"),
        colleague=person(harrier, "company_admin"),
        rival=person(organisation("Magpie Ltd"), "company_admin"),
        newcomer=person(organisation("Wren Ltd", state="pending"), "company_admin"),
        caseworker=person(ministry, "caseworker"),
        supervisor=person(ministry, "supervisor"),
        authority=person(organisation("Authority of Tests", kind="authority"), "authority_officer"),
        auditor=person(ministry, "auditor"),
    )


def browse(user: User | None = None) -> Any:
    """A browser, signed in as `user` (for the type checker: responses have a `url` where they redirect)."""
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def write(filing: Filing, by: User, content: BySection) -> Filing:
    """Save every section through the action."""
    for section, answers in content.items():
        revision = filing.sections.get(key=section).revision
        act.save_section(filing.pk, by=by, section=section, content=answers, revision=revision, finished=True)
    return filing


def submit(filing: Filing, by: User) -> Filing:
    return act.submit(filing.pk, by=by, name=by.name, capacity="Compliance officer", received_at=now())


def file_it(kind: str, by: User, content: BySection) -> Filing:
    return submit(write(act.start(kind, by=by), by, content), by)


def url(name: str, filing: Filing, *args: Any) -> str:
    return reverse(name, args=[filing.reference, *args])


@dataclass
class _Form(HTMLParser):
    """Collects what a browser would send of the form that has a control called `wanted`."""

    wanted: str
    data: dict[str, list[str]] = field(default_factory=dict)
    found: bool = False
    _now: dict[str, list[str]] | None = None
    _area: str | None = None

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "form":
            self._now = {}
        if self._now is None or not name:
            return
        if tag == "input":
            if given.get("type") not in {"radio", "checkbox"} or "checked" in given:
                self._now.setdefault(name, []).append(given.get("value") or "")
            else:
                self._now.setdefault(name, [])
        elif tag == "textarea":
            self._area = name
            self._now.setdefault(name, []).append("")

    def handle_data(self, data: str) -> None:
        if self._area and self._now is not None:
            self._now[self._area][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = None
        if tag == "form" and self._now is not None:
            if self.wanted in self._now:
                self.data, self.found = self._now, True
            self._now = None


def filled_in(html: str, wanted: str = "csrfmiddlewaretoken") -> dict[str, Any]:
    """What the form on a page would send if nobody touched it, line ends as browsers send them."""
    parser = _Form(wanted)
    parser.feed(html)
    assert parser.found, f"no form with {wanted}"
    # The first line end in a textarea is markup, not text.
    return {
        name: [value.replace("\r\n", "\n").removeprefix("\n").replace("\n", "\r\n") for value in values]
        for name, values in parser.data.items()
        if values
    }
