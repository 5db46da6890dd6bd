"""What the access matrix is tried on: two rivals, a stranger, the ministry, the authority, and one of everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts.actions import invite, make_client, request_account
from accounts.models import User
from cases import tasks
from cases.actions import case as cases
from cases.actions import extensions, notices, service
from cases.actions.exhibits import disclose
from cases.actions.referrals.additions import add_analyses
from config import acts
from disclosures import actions as filings
from disclosures.actions import authorisations
from disclosures.examples import AUTHORISATION
from disclosures.models import Authorisation
from ledger.references import next_references
from ledger.time import now, standing_at
from monitoring.models import Alert, AlertVersion, Analysis, Comparison, Feed
from notifications.actions import invitation_token
from notifications.actions.webhooks import add_endpoint
from notifications.models import Message
from tests.cases.world import MONDAY, World, answer, notice_to, open_case, world
from tests.monitoring.logs import analysed

TODAY = MONDAY + timedelta(days=30)


@dataclass
class Everything:
    """The people, and one object for every address."""

    w: World
    args: dict[str, list[Any]] = field(default_factory=dict)

    def actors(self) -> dict[str, User | None]:
        w = self.w
        return {
            "anonymous": None,
            "owner": w.complainant,
            "rival": w.respondent,
            "stranger": w.stranger,
            "caseworker": w.caseworker,
            "supervisor": w.supervisor,
            "authority": w.officer,
            "auditor": w.auditor,
        }


def everything(today: datetime = TODAY) -> Everything:
    """One case that runs (C), one that was referred (R), one that was decided, and the owner's filings and evidence."""
    w = world()
    e = Everything(w)
    monday = today - timedelta(days=30)
    referred = open_case(w, at=monday)
    with standing_at(monday + timedelta(days=1)):
        answer(referred, w.complainant, attach=True)
    with standing_at(monday + timedelta(days=16)):
        tasks.run_all()
    with standing_at(today):
        decided = resolved(w)
        running = open_case(w, at=today)
        own = notice_to(running, w.complainant)
        other = notice_to(running, w.respondent)
        answer(running, w.respondent, attach=True)
        letter = Message.objects.about(own).filter(template="notice_issued").first()
        asked = extensions.request_extension(
            own.pk,
            by=w.complainant,
            until_day=today.date() + timedelta(days=27),
            reasons="Time",
            received_at=now(),
        )
        exhibit = referred.exhibits.order_by("number").first()
        assert exhibit is not None
        assert letter is not None
        disclose(exhibit.pk, by=w.caseworker, party_id=referred.parties.get(role="respondent").pk)
        draft = filings.start("disclosure", by=w.complainant)
        submitted = acts.file_it(
            "disclosure", w.complainant, {**acts.disclosure_content(900), "filer_reference": "M-1"}
        )
        accepted = acts.file_it("disclosure", w.complainant, {**acts.disclosure_content(901), "filer_reference": "M-2"})
        filings.accept(accepted.pk, by=w.caseworker)
        allegation = running.source
        item = acts.give_evidence(w.complainant, "Loose item")
        pending = request_account(
            name="New Ltd",
            company_number="1",
            nation="wales",
            address="x",
            person="Nia",
            email="nia@new.example",
            second_name="B",
            second_email="b@new.example",
        )
        contact = w.complainant.organisation.contacts.create(name="c", email="c@heron.example")
        asked_in = invite(
            w.complainant.organisation_id, by=w.complainant, email="x@heron.example", name="X", role="company_officer"
        )
        served = _served(w)
        publication = cases.publish(decided.pk, by=w.supervisor, title="Decided", summary="In short")
        client, _ = make_client(
            w.complainant.organisation_id, by=w.complainant, name="Filer", scopes=["disclosures:read"]
        )
        declared = filings.declare_standing(
            by=w.complainant, name="C", capacity="Director", expires_on=today.date() + timedelta(days=88)
        )
        alert = alerted(w)
        asked_for, agreed = _authorisations(w)
        reading = analysed(exhibit.item, by=w.complainant)
        add_analyses(referred.referrals.get().pk, by=w.caseworker)
        analysed(exhibit.item, by=w.complainant)  # and one that the authority was not sent
        endpoint = add_endpoint(w.complainant.organisation_id, by=w.complainant, url="https://hooks.heron.example/")
    referral = referred.referrals.get()
    assert allegation is not None
    gap = _gap(submitted, analysis=reading)
    _gap(submitted, feed=alert.feed)
    e.args = {
        "gap_dismiss": [gap.pk],
        "alert": [alert.reference],
        "api_alert": [alert.reference],
        "feed": [alert.feed_id],
        "case": [running.reference],
        "case_new": [],
        "case_tab": [running.reference, "notes"],
        "case_brief": [running.reference, "markets"],
        "exhibit_disclose": [exhibit.pk],
        "exhibit_show_analysis": [exhibit.pk],
        "exhibit_comment": [exhibit.pk],
        "notice": [own.reference],
        "notice_question": [own.reference, 1],
        "response": [other.reference, 1],
        "service_proof": [served],
        "extension_grant": [asked.pk],
        "extension_refuse": [asked.pk],
        "referral": [referral.reference],
        "decision": [publication.pk],
        "api_decision": [publication.pk],
        "api_receipt": [submitted.reference],
        "api_usage_feed": [alert.feed_id],
        "filing": [allegation.reference],
        "filing_section": [draft.reference, "who"],
        "filing_check": [draft.reference],
        "filing_discard": [draft.reference],
        "filing_receipt": [submitted.reference],
        "filing_receipt_pdf": [submitted.reference],
        "filing_version": [submitted.reference, 1],
        "filing_withdraw": [submitted.reference],
        "filing_accept": [submitted.reference],
        "filing_return": [submitted.reference],
        "filing_amend": [accepted.reference],
        "client_new": [w.complainant.organisation_id],
        "client": [client.pk],
        "problem": ["conflict"],
        "standing_revoke": [declared.pk],
        "authorisation": [asked_for.reference],
        "authorisation_new": [],
        "authorisation_version": [asked_for.reference, 1],
        "authorisation_amend": [agreed.reference],
        "authorisation_revoke": [agreed.reference],
        "api_authorisation": [asked_for.reference],
        "api_authorisation_amend": [agreed.reference],
        "webhooks": [w.complainant.organisation_id],
        "webhook_new": [w.complainant.organisation_id],
        "webhook": [endpoint.pk],
        "delivery": [endpoint.deliveries.get().pk],
        "api_disclosure": [submitted.reference],
        "api_disclosure_save": [draft.reference],
        "api_disclosure_submit": [draft.reference],
        "api_disclosure_discard": [draft.reference],
        "api_disclosure_amend": [accepted.reference],
        "api_disclosure_version": [submitted.reference, 1],
        "api_allegation": [allegation.reference],
        "api_allegation_version": [allegation.reference, 1],
        "api_evidence_item": [item.reference],
        "api_evidence_remove": [item.reference],
        "api_evidence_file": [exhibit.item.reference],
        "api_evidence_analyses": [exhibit.item.reference],
        "api_analysis": [reading.pk],
        "api_case": [running.reference],
        "api_exhibit": [exhibit.pk],
        "api_notice": [own.reference],
        "api_extension": [asked.pk],
        "api_referral": [referral.reference],
        "analyses": [exhibit.item.reference],
        "analysis_request": [exhibit.item.reference],
        "analysis": [reading.pk],
        "analysis_compare": [reading.pk, reading.pk],
        "analysis_json": [reading.pk],
        "analysis_csv": [reading.pk],
        "analysis_pdf": [reading.pk],
        "analysis_authorisations": [reading.pk],
        "evidence_item": [item.reference],
        "evidence_remove": [item.reference],
        "evidence_download": [item.reference, "full"],
        "organisation_detail": [pending.pk],
        "organisation_verify": [pending.pk],
        "organisation_refuse": [pending.pk],
        "organisation_invite": [pending.pk],
        "organisation_suspend": [w.stranger.organisation_id],
        "organisation_restore": [w.stranger.organisation_id],
        "person_close": [w.complainant.pk],
        "person_replace": [w.complainant.pk],
        "contact_remove": [contact.pk],
        "invitation_revoke": [asked_in.pk],
        "invitation": [invitation_token(asked_in)],
        "message_bounced": [letter.pk],
        "demo_message": [letter.pk],
        "demo_invitation": [asked_in.pk],
        "account_reset_password_from_key": ["1", "set-password"],
        "mfa_edit_webauthn": [1],
        "mfa_remove_webauthn": [1],
    }
    return e


def alerted(w: World, name: str = "main") -> Alert:
    """An alert about a feed of the owner's, as an evaluation leaves it."""
    feed = Feed.objects.create(organisation=w.complainant.organisation, name=name, expected_minutes=60)
    instant = now()
    alert = Alert.objects.create(
        reference=next_references("M", 1)[0],
        feed=feed,
        unit="account",
        rung="pattern",
        opened_at=instant,
        last_seen_at=instant,
        told_at=instant,
    )
    AlertVersion.objects.create(
        alert=alert,
        number=1,
        at=instant,
        rung="pattern",
        sentence="Rare.",
        since=instant,
        until=instant,
        rows=1,
        accounts=["a"],
        indicators=[],
        explanations=[],
        method="m",
        report_sha256="0" * 64,
        batches=1,
    )
    return alert


def _gap(filing: Any, **beside: Analysis | Feed) -> Comparison:
    """A gap between a log or a feed and what was declared, as reading it leaves it."""
    figure = {"name": "requests", "declared": 5, "precision": "exact", "counted": 300, "gap": True}
    spans = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z", "ongoing": False, "covered": True}
    result = {"reference": filing.reference, **spans, "basis": "accounts", "figures": [figure], "gap": True}
    if "feed" in beside:
        result |= {"kind": "calls", "mixed": False, "silent": False, "elsewhere": False, "without_prompt_hash": 0}
    return Comparison.objects.create(**beside, version=filing.latest, result=result, state="open")


def _authorisations(w: World) -> list[Authorisation]:
    """What the owner permits its rival to do: one that waits for its answer, and one that it has confirmed."""
    found = [
        authorisations.propose(by=w.complainant, grantee=w.respondent.organisation.name, content=AUTHORISATION)
        for _ in range(2)
    ]
    authorisations.confirm(found[1].pk, by=w.respondent, name="Kit Rowe", capacity="Head of evaluation")
    return found


def resolved(w: World) -> Any:
    """A case of a colleague's that was decided, and is not published."""
    seats = [cases.Seat(w.stranger.organisation_id, "respondent", (notices.Ask("Why?"),))]
    case = cases.open_case(by=w.colleague, title="Own", subject="s", purpose="p", seats=seats)
    return cases.resolve(case.pk, by=w.supervisor, outcome="settled", reasons="Settled")


def doubted(w: World) -> Any:
    """A notice whose service is in doubt, though by now there is somebody to receive it."""
    User.objects.filter(pk=w.stranger.pk).update(is_active=False)
    seats = [cases.Seat(w.stranger.organisation_id, "respondent", (notices.Ask("Why?"),))]
    case = cases.open_case(by=w.colleague, title="Silent", subject="s", purpose="p", seats=seats)
    User.objects.filter(pk=w.stranger.pk).update(is_active=True)
    return case.notices.get(kind="evidence")


def _served(w: World) -> int:
    """A notice that was served by other means, with a copy of the proof."""
    notice = doubted(w)
    service.record_service(
        notice.pk,
        by=w.colleague,
        method="courier",
        served_at=now(),
        proof="Signed",
        file=acts.log_file("proof.csv", 2),
    )
    return notice.services.get().pk


def args_of(e: Everything, name: str) -> list[Any]:
    """The arguments of an address: its own, or those of the noun that it begins with."""
    if name in e.args:
        return e.args[name]
    if name.startswith("api_"):
        lists = {"api_disclosure_bulk", "api_allegation_bulk", "api_organisations"}
        words = name.split("_")
        nouns = ["_".join(words[:n]) for n in range(len(words) - 1, 1, -1)]
        return [] if name in lists else next((e.args[noun] for noun in nouns if noun in e.args), [])
    return e.args.get(name.split("_")[0], [])
