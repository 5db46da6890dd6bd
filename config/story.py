"""The story that the demonstration tells: invented firms, told through the real actions with the clock in the past.

Nothing here writes a row by itself. Every step is an action that a person (or a sweep) would take, at its own instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from accounts import actions as accounts
from accounts.models import Invitation, Organisation, User
from accounts.rules import SCOPES_OF_KIND
from cases import tasks
from cases.actions import case as cases
from cases.actions import exhibits, extensions
from cases.actions.referrals import steps
from cases.clock import LONDON, not_working
from cases.models import Adjustment, Case, ExtensionRequest
from config import acts
from config.usage_story import hashed, send, usage_rows
from disclosures import actions as filings
from disclosures.actions import authorisations
from disclosures.models import Authorisation, Filing
from evidence.models import EvidenceItem
from ledger.time import local_date, now, standing_at
from monitoring import tasks as watching
from monitoring.actions.analysis import request_analysis
from notifications import tasks as delivery

GATEWAY_LOG = "Gateway log of the accounts, hashed"
PASSWORD = "candour-demo-harbour-42"  # noqa: S105 - demo mode starts on a loopback address only
WATCH_REASON = (
    "Demonstration: this case runs for two minutes after the first start, so that anybody can watch it arrive in the "
    "authority’s queue by itself."
)
WATCH_FOR = timedelta(seconds=120)


@dataclass(frozen=True)
class Person:
    name: str
    email: str
    role: str
    organisation: str


MINISTRY = "Ministry for Digital Fair Dealing"
AUTHORITY = "Open Markets Authority"
NORTHWIND = "Northwind Models Ltd"
HARRIER = "Harrier Analytics plc"
TARN = "Tarn Compute Ltd"
PELICAN = "Pelican Language Systems Ltd"
PARTNER = "Aspen Evaluation Institute"

CAST = (
    Person("Olivia Marsh", "olivia@northwind-models.example", "company_officer", NORTHWIND),
    Person("Edward Fenn", "edward@northwind-models.example", "company_admin", NORTHWIND),
    Person("Priya Raman", "priya@ministry.example", "caseworker", MINISTRY),
    Person("Margaret Ashworth", "margaret@ministry.example", "supervisor", MINISTRY),
    Person("Callum Reid", "callum@open-markets.example", "authority_officer", AUTHORITY),
    Person("Gwen Parry", "gwen@ministry.example", "auditor", MINISTRY),
    Person("Tomasz Zielinski", "tomasz@ministry.example", "caseworker", MINISTRY),
    Person("Ruth Adeyemi", "ruth@ministry.example", "operator", MINISTRY),
    Person("Henry Colt", "henry@harrier-analytics.example", "company_admin", HARRIER),
    Person("Isobel Grant", "isobel@harrier-analytics.example", "company_officer", HARRIER),
    Person("Fiona Tarn", "fiona@tarn-compute.example", "company_admin", TARN),
    Person("Noor Haddad", "noor@aspen-institute.example", "partner", PARTNER),
    Person("Dylan Pell", "dylan@pelican-language.example", "company_admin", PELICAN),
)
NATIONS = {NORTHWIND: "england", HARRIER: "england", TARN: "scotland", PELICAN: "wales"}


class Story:
    """Tells one thing after another; between two of them the sweeps run, a working day at a time."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.at = start

    @contextmanager
    def day(self, days_ago: int, hour: int = 10, minute: int = 0) -> Iterator[None]:
        """Stand at a working day before the start, after the sweeps of the days in between."""
        wanted = (self.start - timedelta(days=days_ago)).astimezone(LONDON).date()
        while not_working(wanted, "england") is not None:
            wanted -= timedelta(days=1)
        moment = max(datetime.combine(wanted, time(hour, minute), LONDON).astimezone(UTC), self.at)
        moment = min(moment, self.start)  # told before that hour, this morning is still to come
        self.sweep_until(moment)
        with standing_at(moment):
            yield

    def sweep_until(self, moment: datetime) -> None:
        """Let the beat go by: the sweeps of every morning between the last step and this one."""
        while self.at + timedelta(days=1) < moment:
            self.at += timedelta(days=1)
            self._sweep(self.at)
        self.at = moment

    def _sweep(self, at: datetime) -> None:
        with standing_at(at):
            tasks.run_all()
            delivery.run_all()


def tell(start: datetime) -> None:
    """Tell the whole story on an empty database; its last instant is `start`."""
    story = Story(start - timedelta(days=75))
    story.start = start
    people = _people(story)
    _resolved(story, people)
    _permitted(story, people)
    referred = _referred(story, people)
    watched_filing = _alleged(story, people)
    watched_case = _acknowledged_and_opened(story, people, referred, watched_filing)
    _late_answer(story, people, referred)
    _running(story, people, watched_case)
    _waiting(story, people)
    _read_log(story, people)
    _watched_feed(story, people)
    story.sweep_until(start)
    # The last step, at the real time: the watched request is granted until two minutes from now.
    request = ExtensionRequest.objects.get(state="pending", notice__case__title=WATCHED)
    extensions.grant_extension(
        request.pk, by=people["Margaret Ashworth"], until=now() + WATCH_FOR, reasons=WATCH_REASON
    )
    delivery.run_all()


def clients() -> list[dict[str, Any]]:
    """A program for each organisation of the story, with all that it may do; the company's file under a declaration."""
    made = []
    head = User.objects.get(email="margaret@ministry.example")
    for name in (NORTHWIND, HARRIER, MINISTRY, AUTHORITY, PARTNER):
        organisation = Organisation.objects.get(name=name)
        admin = organisation.people.filter(role="company_admin", is_service=False).first()
        by = admin or head
        scopes = SCOPES_OF_KIND[organisation.kind]
        client, secret = accounts.make_client(organisation.pk, by=by, name="Demonstration program", scopes=scopes)
        entry: dict[str, Any] = {
            "client_id": client.application.client_id,
            "client_secret": secret,
            "scopes": list(scopes),
            "organisation": name,
        }
        if admin is not None:
            standing = filings.declare_standing(
                by=admin,
                name=admin.name,
                capacity="General counsel",
                expires_on=local_date(now()) + timedelta(days=365),
            )
            entry["standing_declaration"] = standing.reference
        made.append(entry)
    return made


WATCHED = "Bulk querying of the Tern speech models"


def watched() -> tuple[str, datetime]:
    """Reference of the watched case and the instant at which it is referred."""
    adjustment = Adjustment.objects.select_related("notice__case").get(reason=WATCH_REASON)
    return adjustment.notice.case.reference, adjustment.until


def _join(invitation: Invitation) -> User:
    return accounts.accept(invitation.pk, name=invitation.name, password=PASSWORD)


def _people(story: Story) -> dict[str, User]:
    found: dict[str, User] = {}
    cast = {p.name: p for p in CAST}
    with story.day(74):
        head = cast["Margaret Ashworth"]
        found[head.name] = _join(accounts.found_ministry(name=MINISTRY, person=head.name, email=head.email))
        boss = found[head.name]
        for person in CAST:
            if person.organisation == MINISTRY and person.name != head.name:
                invitation = accounts.invite(
                    boss.organisation_id, by=boss, email=person.email, name=person.name, role=person.role
                )
                found[person.name] = _join(invitation)
        officer = cast["Callum Reid"]
        authority = accounts.register(
            by=boss,
            name=AUTHORITY,
            kind="authority",
            nation="england",
            address="2 Exchange Court, London",
            person=officer.name,
            email=officer.email,
        )
        found[officer.name] = _join(authority.invitations.get())
        partner = cast["Noor Haddad"]
        institute = accounts.register(
            by=boss,
            name=PARTNER,
            kind="partner",
            nation="overseas",
            address="9 Kiefernweg, Freiburg",
            person=partner.name,
            email=partner.email,
        )
        found[partner.name] = _join(institute.invitations.get())
    with story.day(73, 11):
        for number, (company, nation) in enumerate(NATIONS.items(), start=1):
            admin = next(p for p in CAST if p.organisation == company and p.role == "company_admin")
            domain = admin.email.partition("@")[2]
            organisation = accounts.request_account(
                name=company,
                company_number=f"0{number}48{number}37{number}",
                nation=nation,
                address=f"{number} Wharf Street",
                person=admin.name,
                email=admin.email,
                second_name="Legal team",
                second_email=f"legal@{domain}",
            )
            found[admin.name] = _join(organisation.invitations.get())
            if company != PELICAN:
                accounts.verify(organisation.pk, by=boss)
        for person in CAST:
            if person.role == "company_officer":
                org = Organisation.objects.get(name=person.organisation)
                admin_user = org.people.get(role="company_admin")
                invitation = accounts.invite(
                    org.pk, by=admin_user, email=person.email, name=person.name, role=person.role
                )
                found[person.name] = _join(invitation)
    # As every request would: people as they are now, with their organisation verified.
    fresh = User.objects.select_related("organisation").in_bulk([user.pk for user in found.values()])
    return {name: fresh[user.pk] for name, user in found.items()}


# --- The chapters -------------------------------------------------------------------------------------------------------

Cast = dict[str, User]


def _resolved(story: Story, people: Cast) -> None:
    """Accepted disclosures, and a case that was decided and published."""
    with story.day(66, 9, 30):
        first = acts.file_it("disclosure", people["Isobel Grant"], acts.disclosure_content(1))
    with story.day(64):
        filings.accept(first.pk, by=people["Priya Raman"])
    with story.day(62):
        filing = acts.admitted(
            people["Olivia Marsh"],
            people["Priya Raman"],
            1,
            respondent=HARRIER,
            title="Heron templates asked once each",
        )
    with story.day(61):
        case = acts.open_from(filing, people["Priya Raman"], "Collection of Heron outputs for training", HARRIER)
        cases.assign(
            case.pk,
            by=people["Priya Raman"],
            officer_id=people["Priya Raman"].pk,
            deputy_id=people["Tomasz Zielinski"].pk,
        )
    with story.day(54):
        acts.answer_all(
            acts.notice_to(case, NORTHWIND), people["Olivia Marsh"], attach="How the accounts were tied together"
        )
    with story.day(52):
        acts.answer_all(acts.notice_to(case, HARRIER), people["Isobel Grant"], attach="Inventory of collected outputs")
        cases.add_note(case.pk, by=people["Priya Raman"], text="Both accounts of the volume agree within one per cent.")
    with story.day(50):
        cases.propose(
            case.pk,
            by=people["Priya Raman"],
            outcome="undertakings",
            reasons="The respondent has sealed the data set and undertakes to retrain without it.",
        )
    with story.day(49, 15):
        cases.resolve(
            case.pk,
            by=people["Margaret Ashworth"],
            outcome="undertakings",
            reasons="The respondent seals the data set, retrains without it and reports within ninety days.",
        )
        cases.publish(
            case.pk,
            by=people["Margaret Ashworth"],
            title="Undertakings on the training use of collected outputs",
            summary="A company that had collected the outputs of another’s models gave undertakings. The case is resolved.",
        )


def _permitted(story: Story, people: Cast) -> Authorisation:
    """One side lets the other test its models, registered and confirmed before the work begins. Of the eight accounts that
    move as one in its log, it names two.
    """
    accounts = {kind: [hashed(kind, f"together {n}") for n in range(2)] for kind in ("account", "net")}
    with story.day(46, 11):
        content = acts.authorisation_content(
            accounts=accounts["account"], networks=accounts["net"], user_agents=["harvest-client/0.3"]
        )
        found = authorisations.propose(by=people["Edward Fenn"], grantee=HARRIER, content=content)
    with story.day(45, 9, 20):
        return authorisations.confirm(
            found.pk, by=people["Isobel Grant"], name="Isobel Grant", capacity="Head of evaluation"
        )


def _referred(story: Story, people: Cast) -> Case:
    """A case in which one side is silent: it goes to the authority by itself."""
    with story.day(40):
        filing = acts.admitted(
            people["Olivia Marsh"], people["Tomasz Zielinski"], 2, respondent=TARN, title="Egret crawler, May to June"
        )
    with story.day(39, 14):
        case = acts.open_from(filing, people["Tomasz Zielinski"], "Scraping of the Egret documentation", TARN)
        cases.write_brief(
            case.pk,
            by=people["Tomasz Zielinski"],
            head="summary",
            text="A crawler that ignored opt-outs copied the whole of the Egret documentation within six weeks.",
            number=0,
        )
        cases.write_brief(
            case.pk,
            by=people["Tomasz Zielinski"],
            head="theory_of_harm",
            text="A rival saves the cost of writing and testing the documentation and enters with a copy.",
            number=0,
        )
    with story.day(30):
        acts.answer_all(acts.notice_to(case, NORTHWIND), people["Olivia Marsh"], attach="Crawler requests by day")
    return case


def _alleged(story: Story, people: Cast) -> Filing:
    """The allegation behind the case that anybody can watch."""
    with story.day(20):
        return acts.admitted(
            people["Edward Fenn"], people["Priya Raman"], 3, respondent=HARRIER, title="Tern speech models, one card"
        )


def _acknowledged_and_opened(story: Story, people: Cast, referred: Case, filing: Filing) -> Case:
    with story.day(18, 9):
        steps.acknowledge(referred.referrals.get().pk, by=people["Callum Reid"])
    with story.day(18, 11):
        case = acts.open_from(filing, people["Priya Raman"], WATCHED, HARRIER)
        cases.assign(
            case.pk,
            by=people["Priya Raman"],
            officer_id=people["Priya Raman"].pk,
            deputy_id=people["Tomasz Zielinski"].pk,
        )
        cases.write_brief(
            case.pk,
            by=people["Priya Raman"],
            head="summary",
            text="Accounts paid for by one card queried the Tern speech models in bulk for six weeks.",
            number=0,
        )
    return case


def _late_answer(story: Story, people: Cast, referred: Case) -> None:
    """Late, and taken all the same: it is added to the referral. An exhibit is disclosed to the other side."""
    with story.day(16, 12):
        acts.answer_all(acts.notice_to(referred, TARN), people["Fiona Tarn"])
        exhibit = referred.exhibits.order_by("number").first()
        if exhibit is not None:
            respondent = referred.parties.get(role="respondent")
            exhibits.disclose(exhibit.pk, by=people["Tomasz Zielinski"], party_id=respondent.pk)


def _running(story: Story, people: Cast, watched_case: Case) -> None:
    """A case in the middle of its fourteen days, with a complainant who has not agreed to be named."""
    with story.day(14):
        filing = acts.admitted(
            people["Edward Fenn"],
            people["Priya Raman"],
            4,
            respondent=HARRIER,
            title="Parameter probing of heron-2",
            named=False,
        )
    with story.day(12):
        log = usage_rows(now() - timedelta(days=20), 72)
        acts.answer_all(acts.notice_to(watched_case, NORTHWIND), people["Olivia Marsh"], attach=GATEWAY_LOG, log=log)
    with story.day(9):
        case = acts.open_from(filing, people["Priya Raman"], "Probing of the parameters of heron-2", HARRIER)
        cases.assign(
            case.pk,
            by=people["Margaret Ashworth"],
            officer_id=people["Tomasz Zielinski"].pk,
            deputy_id=people["Priya Raman"].pk,
        )
    with story.day(5, 14):
        extensions.request_extension(
            acts.notice_to(watched_case, HARRIER).pk,
            by=people["Isobel Grant"],
            until_day=local_date(now()) + timedelta(days=21),
            reasons="Our former provider holds part of the records and has promised them within two weeks.",
            received_at=now(),
        )


def _waiting(story: Story, people: Cast) -> None:
    """What lies on the desks this morning."""
    with story.day(3, 9):
        first = acts.file_it("disclosure", people["Isobel Grant"], acts.disclosure_content(2))
        filings.return_(
            first.pk,
            by=people["Priya Raman"],
            reasons={"volume": "The number of accounts does not agree with the hashes that are listed."},
        )
    with story.day(2, 10):
        later = {
            "precision": "not_known",
            "why": "The provider’s invoices are on their way.",
            "known_by": (local_date(now()) + timedelta(days=21)).isoformat(),
        }
        acts.file_it("disclosure", people["Fiona Tarn"], acts.disclosure_content(3, requests=later))
    with story.day(2, 15):
        item = acts.give_evidence(people["Olivia Marsh"], "Logs of the reseller accounts", public=False)
        acts.file_it("allegation", people["Olivia Marsh"], acts.allegation_content(5, item, respondent="Unknown"))
    with story.day(1, 10):
        # The other way round, and not answered yet. Its first day has begun: it is marked as registered afterwards.
        benchmark = acts.authorisation_content(
            signatory_name="Henry Colt",
            signatory_capacity="General counsel",
            signatory_authority="Articles of association, article 12.",
            lead_name="Olivia Marsh",
            purpose="benchmark",
            models=["kestrel-1.4"],
            techniques_permitted=["bulk_querying"],
            accounts=["hk4:0b7d"],
            networks=[],
            user_agents=["northwind-bench/3"],
            starts_on=(local_date(now()) - timedelta(days=4)).isoformat(),
        )
        authorisations.propose(by=people["Henry Colt"], grantee=NORTHWIND, content=benchmark)
    with story.day(1, 11):
        filings.start("disclosure", by=people["Olivia Marsh"])
        filings.start("disclosure", by=people["Dylan Pell"])


def _read_log(story: Story, people: Cast) -> None:
    """The log that came with an answer, analysed for the officer of its case."""
    with story.day(1, 12):
        request_analysis(EvidenceItem.objects.get(title=GATEWAY_LOG).pk, by=people["Priya Raman"])
        watching.run_all()


def _watched_feed(story: Story, people: Cast) -> None:
    """A provider's rows of this morning, and the one alert that they make."""
    with story.day(0, 7):
        for hours in (4, 2):
            since = now() - timedelta(hours=hours)
            body = usage_rows(since, 2) + (b"not a row\n" if hours == 2 else b"")
            send(people["Edward Fenn"], body, f"main-{since:%Y%m%dT%H}")
        watching.watch_all()
