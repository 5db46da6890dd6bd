"""A canary in every confidential field of one company is never seen by its rival, nor by the authority too early."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from cases import tasks
from cases.actions import answers, extensions
from cases.actions import case as cases
from cases.models import Case
from config import acts, story
from config.usage_story import hashed, send, usage_rows
from disclosures.actions import authorisations
from disclosures.catalogue import AUTHORISATION, DISCLOSURE, SCHEMAS
from evidence import actions as evidence
from ledger.models import Event
from ledger.time import now, standing_at
from monitoring import tasks as watching
from monitoring.actions.analysis import request_analysis
from monitoring.models import Comparison
from monitoring.work import work
from notifications.letters import render
from notifications.models import Message
from tests.access_matrix import MATRIX
from tests.cases.world import MONDAY, World, notice_to, open_case, world
from tests.cast import organisation, person
from tests.monitoring.logs import lines, ordinary, swept

pytestmark = pytest.mark.django_db(transaction=True)


class Canaries:
    """Unguessable words, each under the name of the field that it sits in."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        self.words[name] = f"canary{secrets.token_hex(16)}"
        return self.words[name]

    def seen_in(self, text: str) -> set[str]:
        return {name for name, word in self.words.items() if word in text}


def with_canaries(kind: str, content: dict[str, Any], canary: Canaries) -> dict[str, Any]:
    """The content with a canary in every field that takes text, and one beside every estimated fact."""
    changed = dict(content)
    for section in SCHEMAS[kind].sections:
        for field in section.fields:
            if field.name not in content or field.name == "filer_reference":
                continue
            if field.kind in {"text", "long"}:
                changed[field.name] = canary(f"{kind}.{field.name}")
            if field.kind == "email":
                changed[field.name] = f"{canary(f'{kind}.{field.name}')[:40]}@x.example"
            if field.fact and isinstance(content[field.name], dict) and content[field.name]["precision"] == "estimated":
                changed[field.name] = {**content[field.name], "how": canary(f"{kind}.{field.name}.how")}
    return changed


def item_with_canaries(by: User, canary: Canaries, prefix: str) -> Any:
    fields = ["title", "relevance", "source_system", "collected_by", "collection_method", "original_retained_where"]
    fields += ["time_source", "sampling", "pseudonymisation", "confidentiality_reason"]
    file = acts.log_file(f"{canary(f'{prefix}.file_name')}.csv", 5)
    file.write(canary(f"{prefix}.content").encode())
    file.seek(0)
    return evidence.add(
        by=by,
        file=file,
        public_file=acts.log_file("public.csv", 2),
        received_at=now(),
        kind="access_log",
        collected_on=date(2026, 9, 1),
        personal_data=False,
        collector_declares=True,
        limb="commercial",
        no_public_version_because="",
        **{name: canary(f"{prefix}.{name}") for name in fields},
    )


def rival_secrets(w: World, case: Case, canary: Canaries) -> None:
    """Everything that the respondent says in confidence, and everything that the ministry says to itself."""
    by = w.respondent
    item = item_with_canaries(by, canary, "evidence")
    acts.file_it("disclosure", by, with_canaries("disclosure", acts.disclosure_content(700), canary))
    filing = story.filings.start("disclosure", by=by)
    narrative = {"narrative": canary("draft.narrative")}
    story.filings.save_section(
        filing.pk, by=by, section=DISCLOSURE.sections[1].key, content=narrative, revision=0, finished=False
    )
    content = acts.allegation_content(701, item, respondent="x")
    acts.file_it("allegation", by, with_canaries("allegation", content, canary))
    permission_with_canaries(by, canary)
    third = person(organisation("Plover Ltd"), "company_officer")
    of_log = declared_with_a_canary(third, by, canary, "ministry.figure.log", "2026-03-02", "2026-03-06")
    log = usage_log_with_canaries(by, canary)
    notice = notice_to(case, by)
    for question in notice.questions.all():
        answers.save_answer(
            question.pk,
            by=by,
            how="answer",
            text=canary(f"answer.{question.number}"),
            evidence=[item.reference, log.reference],
            revision=0,
        )
    extensions.request_extension(
        notice.pk,
        by=by,
        until_day=date(2026, 11, 30),
        reasons=canary("extension.reasons"),
        received_at=now(),
    )
    request = notice.extension_requests.get()
    extensions.refuse_extension(request.pk, by=w.caseworker, reasons=canary("extension.refusal"))
    answers.answer(notice.pk, by=by, received_at=now())
    # Eight accounts that move as one, one of them by its name, make an alert that is the ministry's alone.
    account = hashed("account", "together 0").encode()
    rows = usage_rows(now() - timedelta(hours=4), 4).replace(account, canary("ministry.account").encode())
    send(by, rows, canary("feed.batch"))
    of_feed = declared_with_a_canary(third, by, canary, "ministry.figure.feed", "2026-10-01", "2026-10-02")
    send(by, lines([{**row, "ts": "2026-10-01T10:00:00Z"} for row in ordinary(1)[:2]]), "past")
    watching.watch_all()
    assert {row.version.filing for row in Comparison.objects.all()} == {of_log, of_feed}
    cases.add_note(case.pk, by=w.caseworker, text=canary("ministry.note"))
    cases.write_brief(case.pk, by=w.caseworker, head="summary", text=canary("ministry.brief"), number=0)
    cases.propose(case.pk, by=w.caseworker, outcome="settled", reasons=canary("ministry.proposal"))


def declared_with_a_canary(third: User, about: User, canary: Canaries, name: str, first: str, last: str) -> Any:
    """What a third company declared of this one's models, in figures that nobody guesses: raw, and as pages write them."""
    figure = secrets.randbelow(10**14) + 10**14
    canary.words |= {name: str(figure), f"{name}.written": f"{figure:,}"}
    content = acts.disclosure_content(int(first[5:7]), requests={"precision": "exact", "value": figure})
    days = {"started_at": {"precision": "exact", "value": first}, "ended_at": {"precision": "exact", "value": last}}
    said = {**content, **days, "ongoing": False, "target_organisation": about.organisation.name}
    return acts.file_it("disclosure", third, said)


def usage_log_with_canaries(by: User, canary: Canaries) -> Any:
    """A usage log with a canary in its fields, and its analysis: the report names accounts."""
    words = {name: canary(f"log.{name}") for name in ("model", "endpoint", "net", "user_agent")}
    rows = [{**row, **words} for row in swept(canary("log.account"), 300)]
    item = acts.give_evidence(by, "Usage log", log=lines([*ordinary(120), *rows]))
    done = work(request_analysis(item.pk, by=by).pk)
    assert done is not None
    assert done.state == "done", done.failure
    assert canary.words["log.account"] in done.report.written
    return item


def permission_with_canaries(by: User, canary: Canaries) -> None:
    """An authorisation, its amendment, and all that the two sides said, with a canary wherever a text goes."""
    friend = person(organisation("Wren Institute", kind="partner"), "partner")

    def content(prefix: str) -> dict[str, Any]:
        said = acts.authorisation_content(purpose="other", kept_days=30)
        fields = [f for f in AUTHORISATION.fields.values() if f.name != "document_sha256"]
        said |= {f.name: canary(f"{prefix}.{f.name}") for f in fields if f.kind in {"text", "long"}}
        return said | {f.name: [canary(f"{prefix}.{f.name}")] for f in fields if f.kind in {"lines", "codes"}}

    found = authorisations.propose(by=by, grantee="Wren Institute", content=content("authorisation"))
    named = {name: canary(f"authorisation.confirmed.{name}") for name in ("name", "capacity")}
    authorisations.confirm(found.pk, by=friend, **named)
    change = canary("authorisation.change")
    authorisations.amend(found.pk, by=by, content=content("authorisation.amended"), change=change)
    authorisations.refuse(found.pk, by=friend, reason=canary("authorisation.refusal"))
    authorisations.revoke(found.pk, by=friend, reason=canary("authorisation.revocation"))


# What the API answers to a GET, for whoever is signed in to the pages: as much as to a program with every scope.
API = [name for name in MATRIX if name.startswith("api_") and "200" in MATRIX[name]["GET"]]
# Of what ends like a list: what is none.
ONES = {"api_docs", "api_analysis", "api_analysis_authorisations", "api_evidence_analyses"}
_CALLED = {
    "analyses": "evidence",
    "response": "notice",
    "disclosure": "filing",
    "allegation": "filing",
    "usage": "feed",
}
_LINK = re.compile(r'(?:href|action)="(/[^"#?]*)')


def everything_seen_by(user: User, guesses: list[str]) -> dict[str, str]:
    """The body of every page that `user` can reach by links, of every guessed address, and of every message."""
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    seen: dict[str, str] = {}
    waiting = ["/", *guesses]
    while waiting and len(seen) < 1000:
        url = waiting.pop(0)
        if url in seen or url.startswith(("/static/", "/sign-out")):
            continue
        answer = client.get(url)
        body = answer.getvalue().decode("utf-8", "replace")
        seen[url] = body + str(answer.headers)
        waiting += [link for link in _LINK.findall(body) if link not in seen]
    for message in Message.objects.filter(address__iexact=user.email):
        seen[f"message {message.pk}"] = " ".join(render(message.template, message.context, message.url))
    for event in Event.objects.visible_to(user):
        seen[f"event {event.pk}"] = str(event.details)
    return seen


def guesses() -> list[str]:
    """Every address of every object there is, whoever it belongs to."""
    from cases.models import Exhibit, Notice, Referral
    from disclosures.models import Authorisation, Filing
    from evidence.models import EvidenceItem
    from monitoring.models import Alert, Analysis, Feed

    objects = {
        "case": Case.objects.values_list("reference", flat=True),
        "notice": Notice.objects.values_list("reference", flat=True),
        "referral": Referral.objects.values_list("reference", flat=True),
        "filing": Filing.objects.values_list("reference", flat=True),
        "authorisation": Authorisation.objects.values_list("reference", flat=True),
        "evidence": EvidenceItem.objects.values_list("reference", flat=True),
        "analysis": Analysis.objects.values_list("pk", flat=True),
        "feed": Feed.objects.values_list("pk", flat=True),
        "alert": Alert.objects.values_list("reference", flat=True),
        "exhibit": Exhibit.objects.values_list("pk", flat=True),
    }
    more = {
        "case_tab": ["timeline", "notices", "exhibits", "notes", "brief"],
        "case_brief": ["summary"],
        "notice_question": [1, 2],
        "response": [1],
        "evidence_download": ["full", "non-confidential"],
        "filing_section": [s.key for s in DISCLOSURE.sections],
        "filing_version": [1],
        "authorisation_version": [1, 2],
        "api_disclosure_version": [1],
        "api_allegation_version": [1],
    }
    found = [reverse(name) for name in API if name == "api_evidence" or (name.endswith("s") and name not in ONES)]
    for name in MATRIX:
        if name.startswith("api_") and name not in API:
            continue
        noun = name.removeprefix("api_").split("_")[0]
        for key in objects.get(_CALLED.get(noun, noun), []):
            for extra in more.get(name, [None]):
                args = [key] if extra is None else [key, extra]
                try:
                    found.append(reverse(name, args=args))
                except Exception:  # an address without arguments, such as a list
                    break
    return found


@pytest.fixture
def scene(settings: Any) -> Iterator[tuple[World, Case, Canaries]]:
    settings.SECOND_FACTOR_REQUIRED = False
    w, canary = world(), Canaries()
    case = open_case(w)
    with standing_at(MONDAY + timedelta(days=1)):
        rival_secrets(w, case, canary)
        yield w, case, canary


def seen(user: User, canary: Canaries) -> set[str]:
    return {
        f"{name} at {url}" for url, body in everything_seen_by(user, guesses()).items() for name in canary.seen_in(body)
    }


def test_rival_stranger_and_authority_see_no_canary(scene: tuple[World, Case, Canaries]) -> None:
    w, _, canary = scene
    assert seen(w.complainant, canary) == set()
    assert seen(w.stranger, canary) == set()
    assert seen(w.officer, canary) == set()
    assert seen(w.auditor, canary) == set()


def test_owner_and_ministry_do_see_them(scene: tuple[World, Case, Canaries]) -> None:
    """The control: the same search finds the canaries where they may be seen."""
    w, _, canary = scene
    lines_seen = seen(w.respondent, canary)
    own = {line.split(" at ")[0] for line in lines_seen}
    # The account goes through the report: its page, the JSON, the table, and the API.
    read = {
        line.split(" at ")[1].rsplit("/", 1)[-1] or line for line in lines_seen if line.startswith("log.account at")
    }
    assert {"report.json", "report.csv"} <= read
    assert any(line.startswith("log.account at /api/v1/analyses/") for line in lines_seen)
    assert {name for name in canary.words if not name.startswith("ministry.")} - own == set()
    assert not any(name.startswith("ministry.") for name in own)
    staff = {line.split(" at ")[0] for line in seen(w.colleague, canary)}
    assert set(canary.words) - staff == {"draft.narrative"}


def test_authority_sees_what_was_referred_and_no_notes(scene: tuple[World, Case, Canaries]) -> None:
    w, case, canary = scene
    with standing_at(MONDAY + timedelta(days=20)):
        tasks.run_all()
        case.refresh_from_db()
        assert case.state == "referred"
        found = {line.split(" at ")[0] for line in seen(w.officer, canary)}
        assert {"answer.1", "answer.2", "ministry.brief", "evidence.title", "evidence.content"} <= found
        hidden = ("ministry.note", "ministry.proposal", "extension.", "disclosure.", "allegation.", "draft.")
        assert not any(name.startswith(hidden) for name in found)
        # Of authorisations it reads what the analysis that was sent compared, to compute it again, and nothing else.
        compared = {f"authorisation.{name}" for name in ("accounts", "networks", "models", "endpoints", "user_agents")}
        assert {name for name in found if name.startswith("authorisation.")} <= compared
        assert "log.account" in found
        # And nothing of it reaches the other side by the referral.
        assert seen(w.complainant, canary) == set()
