"""What the API is tried on: a program of each kind, and every noun in every state in which it can be found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.test import Client as Browser
from django.urls import resolve

from accounts.actions import make_client
from accounts.models import User
from accounts.rules import SCOPES_OF_KIND
from cases import tasks
from cases.actions import extensions, notices
from cases.actions.referrals import steps
from cases.actions.referrals.making import refer
from cases.models import Exhibit, Notice, Referral
from config import acts
from disclosures import actions as filings
from disclosures.actions import authorisations
from disclosures.examples import AUTHORISATION
from disclosures.models import StandingDeclaration
from ledger.time import now, standing_at
from monitoring.actions import alerts
from monitoring.actions import analysis as readings
from monitoring.models import Feed
from tests.access_world import TODAY, Everything, alerted, doubted, resolved
from tests.accounts.test_clients import bearer
from tests.cases.world import MONDAY, World, answer, notice_to, open_case
from tests.cast import organisation, person

Objects = dict[str, dict[str, list[Any]]]
# Addresses that are no noun's.
APART = {"api_token", "api_docs", "api_schema"}
# What an address names besides the object.
BESIDES: dict[str, list[Any]] = {"api_disclosure_version": [1], "api_allegation_version": [1]}


def program(e: Everything, who: User) -> Browser:
    """A client of somebody's organisation, with every scope that its kind can have."""
    kind = who.organisation.kind
    made = make_client(who.organisation_id, by=e.w.supervisor, name="P", scopes=SCOPES_OF_KIND[kind])
    return bearer(*made)


def everybody(e: Everything) -> list[Browser]:
    """Complainant, respondent, stranger, ministry, authority, partner, nobody: the columns of the matrix."""
    partner = person(organisation("Institute", kind="partner"), "partner")
    w = e.w
    people = (w.complainant, w.respondent, w.stranger, w.caseworker, w.officer, partner)
    return [*(program(e, who) for who in people), Browser()]


# --- States ------------------------------------------------------------------------------------------------------------
def states(e: Everything) -> Objects:
    """The arguments of addresses by noun and state, as far as the examples need them."""
    w = e.w
    evidence = acts.give_evidence(w.complainant, "Another log")
    whole = acts.draft("disclosure", w.complainant, {**acts.disclosure_content(910), "filer_reference": "P-1"})
    alleged = {**acts.allegation_content(911, evidence, respondent="Kestrel plc"), "filer_reference": "P-2"}
    allegation = acts.draft("allegation", w.complainant, alleged)
    asked_nothing = notice_to(open_case(w, at=now()), w.complainant)
    read = {"done": e.args["api_analysis"]}
    return {
        "disclosure": {
            "draft": [whole.reference],
            "submitted": e.args["api_disclosure"],
            "accepted": e.args["api_disclosure_amend"],
        },
        "allegation": {
            "draft": [allegation.reference],
            "received": [_received(e, 3).reference],
            "admitted": e.args["api_allegation"],
        },
        "evidence": {"kept": e.args["api_evidence_item"], "exhibit": e.args["api_evidence_file"]},
        # By the name of its address, and by its path.
        "analysis": read,
        "analyse": read,
        "case": {
            "open": e.args["api_case"],
            "reopened": [_withdrawn(w).case.reference],
            "resolved": [resolved(w).reference],
        },
        "exhibit": {"kept": [_kept(e)], "disclosed": e.args["api_exhibit"]},
        "notice": {
            "issued": [asked_nothing.reference],
            "asked": e.args["api_notice"],
            "doubted": [doubted(w).reference],
            "answered": e.args["response"][:1],
        },
        "extension": {"pending": e.args["api_extension"]},
        "referral": {"queued": e.args["api_referral"]},
        "alert": {"open": e.args["api_alert"]},
        "usage": {"active": e.args["api_usage_feed"], "paused": [_paused(w).pk]},
        "decision": {"published": e.args["api_decision"]},
        "receipt": {"filed": e.args["api_receipt"]},
        "authorisation": {"proposed": e.args["api_authorisation"], "confirmed": e.args["api_authorisation_amend"]},
    }


def _paused(w: World) -> Feed:
    return Feed.objects.create(organisation=w.complainant.organisation, name="b", expected_minutes=60, state="paused")


def all_states(e: Everything) -> Objects:
    """Those, and every other state that the rules know; to be called as of TODAY."""
    found = states(e)
    for noun, more in (
        ("analysis", _analyses(e)),
        ("disclosure", _disclosures(e)),
        ("allegation", _allegations(e)),
        ("authorisation", _authorisations(e)),
        ("alert", _alerts(e)),
        ("extension", _extensions(e)),
        ("referral", _referrals(e)),
        ("notice", _notices(e)),
    ):
        found[noun] |= more
    found["case"] |= {
        "referred": [Referral.objects.get(reference=found["referral"]["queued"][0]).case.reference],
        "closed": [Referral.objects.get(reference=found["referral"]["accepted"][0]).case.reference],
    }
    return found


def _analyses(e: Everything) -> dict[str, list[Any]]:
    by = e.w.complainant
    queued, running, failed = (
        readings.request_analysis(acts.give_evidence(by, f"Usage {number}").pk, by=by) for number in range(3)
    )
    readings.begin(running.pk)
    readings.begin(failed.pk)
    readings.fail(failed.pk, attempt=1, reason="The file is empty.")
    return {"queued": [queued.pk], "running": [running.pk], "failed": [failed.pk]}


def _filed(e: Everything, number: int) -> Any:
    content = {**acts.disclosure_content(920 + number), "filer_reference": f"S-{number}"}
    return acts.file_it("disclosure", e.w.complainant, content)


def _disclosures(e: Everything) -> dict[str, list[Any]]:
    w = e.w
    returned, withdrawn, superseded = (_filed(e, number) for number in range(3))
    filings.return_(returned.pk, by=w.caseworker, reasons={"volume": "How was it counted?"})
    filings.withdraw(withdrawn.pk, by=w.complainant, reason="By mistake")
    filings.accept(superseded.pk, by=w.caseworker)
    amendment = filings.amend(superseded.pk, by=w.complainant)
    better = {**acts.disclosure_content(930), "filer_reference": "S-9", "records": {"precision": "exact", "value": 7}}
    filings.save_content(amendment.pk, by=w.complainant, content=better)
    filings.submit(amendment.pk, by=w.complainant, name="C", capacity="Counsel", received_at=now())
    filings.accept(amendment.pk, by=w.caseworker)
    superseded.refresh_from_db()
    assert superseded.state == "superseded"
    return {
        "returned": [returned.reference],
        "withdrawn": [withdrawn.reference],
        "superseded": [superseded.reference],
    }


def _received(e: Everything, number: int) -> Any:
    evidence = acts.give_evidence(e.w.complainant, f"Log {number}")
    alleged = acts.allegation_content(940 + number, evidence, respondent="Kestrel plc")
    return acts.file_it("allegation", e.w.complainant, {**alleged, "filer_reference": f"P-{number}"})


def _allegations(e: Everything) -> dict[str, list[Any]]:
    w = e.w
    acknowledged, more_wanted, rejected, withdrawn = (_received(e, number) for number in range(10, 14))
    filings.acknowledge(acknowledged.pk, by=w.caseworker)
    filings.want_more(more_wanted.pk, by=w.caseworker, reasons={"volume": "Which accounts?"})
    filings.reject(rejected.pk, by=w.caseworker, reason="Not within the scheme")
    filings.withdraw(withdrawn.pk, by=w.complainant, reason="Settled")
    return {
        "acknowledged": [acknowledged.reference],
        "more_wanted": [more_wanted.reference],
        "rejected": [rejected.reference],
        "withdrawn": [withdrawn.reference],
    }


def _authorisations(e: Everything) -> dict[str, list[Any]]:
    w, act = e.w, authorisations
    refused, withdrawn, amending, revoked = (
        act.propose(by=w.complainant, grantee=w.respondent.organisation.name, content=AUTHORISATION) for _ in range(4)
    )
    act.refuse(refused.pk, by=w.respondent, reason="Not ours")
    act.withdraw(withdrawn.pk, by=w.complainant, reason="Too early")
    for one in (amending, revoked):
        act.confirm(one.pk, by=w.respondent, name="Kit Rowe", capacity="Head of evaluation")
    act.amend(amending.pk, by=w.complainant, content={**AUTHORISATION, "max_requests": 190_000}, change="Fewer calls")
    act.revoke(revoked.pk, by=w.complainant, reason="It is over")
    return {
        "refused": [refused.reference],
        "withdrawn": [withdrawn.reference],
        "amending": [amending.reference],
        "revoked": [revoked.reference],
    }


def _alerts(e: Everything) -> dict[str, list[Any]]:
    w = e.w
    under_review, dismissed, taken = (alerted(w, f"feed-{number}") for number in range(3))
    for one in (under_review, taken):
        alerts.review(one.pk, by=w.caseworker, reason="Worth a look")
    alerts.dismiss(dismissed.pk, by=w.caseworker, reason="A load test")
    alerts.take(taken.pk, by=w.caseworker, reason="It belongs there", case_reference=e.args["api_case"][0])
    return {
        "under_review": [under_review.reference],
        "dismissed": [dismissed.reference],
        "taken": [taken.reference],
    }


def _extensions(e: Everything) -> dict[str, list[Any]]:
    w, found = e.w, {}
    for state in ("granted", "refused"):
        notice = notice_to(open_case(w, at=TODAY), w.complainant)
        asked = extensions.request_extension(
            notice.pk, by=w.complainant, until_day=date(2026, 12, 1), reasons="Time", received_at=now()
        )
        if state == "granted":
            extensions.grant_extension(asked.pk, by=w.caseworker, reasons="So be it", until_day=date(2026, 12, 1))
        else:
            extensions.refuse_extension(asked.pk, by=w.caseworker, reasons="No")
        found[state] = [asked.pk]
    return found


def _referred(w: World) -> Referral:
    referral = refer(open_case(w, at=now()).pk, by=w.supervisor, reason="It cannot wait")
    assert referral is not None
    return referral


def _withdrawn(w: World) -> Referral:
    """Of a case that is in its second round now, in which nobody has been asked yet."""
    return steps.withdraw(_referred(w).pk, by=w.supervisor, reason="It can")


def _referrals(e: Everything) -> dict[str, list[Any]]:
    w, found = e.w, {"withdrawn": _withdrawn(e.w)}
    found["acknowledged"] = steps.acknowledge(_referred(w).pk, by=w.officer)
    found["accepted"] = steps.accept(_referred(w).pk, by=w.officer, reference="CA-1")
    found["returned"] = steps.return_(
        _referred(w).pk, by=w.officer, needed="The log", needed_by=(TODAY + timedelta(days=30)).date()
    )
    found["declined"] = steps.decline(_referred(w).pk, by=w.officer, head="resources", reason="Not now")
    return {state: [referral.reference] for state, referral in found.items()}


def _notices(e: Everything) -> dict[str, list[Any]]:
    w = e.w
    waived = notice_to(open_case(w, at=TODAY), w.complainant)
    notices.waive(waived.pk, by=w.supervisor, reason="Known by now")
    # Their time was up weeks ago: both were missed, and their cases referred.
    over = [open_case(w, at=MONDAY) for _ in range(2)]
    with standing_at(TODAY):
        tasks.run_all()
    answer(over[1], w.complainant)
    found = {
        "waived": waived,
        "missed": notice_to(over[0], w.complainant),
        "answered_late": notice_to(over[1], w.complainant),
    }
    assert all(Notice.objects.get(pk=notice.pk).state == state for state, notice in found.items())
    return {state: [notice.reference] for state, notice in found.items()}


def _kept(e: Everything) -> int:
    """An exhibit of the case of the disclosed one that only its owner has seen."""
    shown = Exhibit.objects.get(pk=e.args["api_exhibit"][0])
    return Exhibit.objects.filter(case=shown.case, party=shown.party).exclude(pk=shown.pk).latest("pk").pk


# --- The examples of the schema ------------------------------------------------------------------------------------------
# In which state the example of a verb is accepted; where none is named, the first.
ACCEPTED_IN = {
    **{f"disclosure {verb}": "submitted" for verb in ("withdraw", "accept", "return")},
    "disclosure amend": "accepted",
    **{f"allegation {verb}": "received" for verb in ("withdraw", "acknowledge", "admit", "want-more", "reject")},
    **{f"authorisation {verb}": "confirmed" for verb in ("amend", "revoke")},
    "case issue-notices": "reopened",
    "case publish": "resolved",
    "exhibit comment": "disclosed",
    "exhibit show-analysis": "disclosed",
    **{f"notice {verb}": "doubted" for verb in ("serve-again", "record-service")},
    "notice mark-read": "answered",
    "usage resume": "paused",
}
# Whose program sends the example of a scope.
SENDERS = {"company": "complainant", "ministry": "caseworker", "authority": "officer"}


@dataclass(frozen=True)
class Example:
    """A named example: whose program may send it, where to, in which form, and what."""

    sender: str
    name: str  # of the address
    path: str
    url: str
    kind: str
    value: Any


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and what is said of it, of every operation of the schema."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def view_of(path: str) -> Any:
    """What resolves a path of the schema."""
    prefix = {"evidence": "E", "authorisations": "P", "alerts": "M"}.get(path.split("/")[3], "D")
    return resolve(path.replace("{reference}", f"{prefix}-2026-000001").replace("{id}", "1").replace("{number}", "1"))


def scope_of(path: str, method: str) -> str:
    """The scope that an operation of the schema asks for."""
    return str(view_of(path).func.view_class.scopes[method.upper()])


def noun_and_verb(path: str) -> tuple[str, str]:
    return path.split("/")[3].removesuffix("s"), path.rstrip("/").rsplit("/", 1)[1]


def sender_of(path: str) -> str:
    noun, verb = noun_and_verb(path)
    # Of what is disclosed only the other side says something, and to what is permitted the one that is permitted it.
    if verb == "comment" or (noun == "authorisation" and verb in {"confirm", "refuse"}):
        return "respondent"
    return next(who for kind, who in SENDERS.items() if scope_of(path, "post") in SCOPES_OF_KIND[kind])


def examples(schema: dict[str, Any], objects: Objects) -> Iterator[Example]:
    """Every named example but those of files, aimed at something in the state in which it is accepted."""
    for method, path, operation in operations(schema):
        if method != "post" or "multipart/form-data" in operation["requestBody"]["content"]:
            continue
        noun, verb = noun_and_verb(path)
        wanted = ACCEPTED_IN.get(f"{noun} {verb}", next(iter(objects[noun])))
        url = path.replace("{reference}", str(objects[noun][wanted][0])).replace("{id}", str(objects[noun][wanted][0]))
        for kind, content in operation["requestBody"]["content"].items():
            for example in content.get("examples", {}).values():
                yield Example(sender_of(path), str(view_of(path).url_name), path, url, kind, example["value"])


def as_here(e: Everything, example: Any) -> str:
    """An example with what a real database decides: numbers of a declaration and of organisations, and a name."""
    w, text = e.w, json.dumps(example)
    for said, here in (
        ("S-2026-000001", StandingDeclaration.objects.get().reference),
        ('"grantee": "Harrier Analytics plc"', '"grantee": "Kestrel plc"'),
        ('"respondents": [1]', f'"respondents": [{w.stranger.organisation_id}]'),
        ('"organisation": 1', f'"organisation": {w.complainant.organisation_id}'),
        ('"party": 1', f'"party": {w.respondent.organisation_id}'),
    ):
        text = text.replace(said, here)
    return text
