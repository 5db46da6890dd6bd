"""What must be true of cases whose time is up, however the workers fared: read from the rows alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from accounts.models import Contact, User
from cases.models import Case, Notice, Referral
from ledger.models import Event
from notifications.models import Message


def violations(case_ids: Iterable[int]) -> list[str]:
    """Everything that is wrong with these cases, all of which were due for referral; empty when all is well."""
    ids = list(case_ids)
    cases = {c.pk: c for c in Case.objects.filter(pk__in=ids)}
    return [*_referrals(ids, cases), *_misses(ids), *_letters(ids)]


def lost_and_doubled(case_ids: Iterable[int]) -> tuple[int, int]:
    """How many of these cases have no referral, and how many more than one."""
    count = Counter(Referral.objects.filter(case__in=list(case_ids)).values_list("case_id", flat=True))
    ids = list(case_ids)
    return sum(count[pk] == 0 for pk in ids), sum(count[pk] > 1 for pk in ids)


def _referrals(ids: list[int], cases: dict[int, Case]) -> list[str]:
    found = []
    rows = Counter(Referral.objects.filter(case__in=ids).values_list("case_id", flat=True))
    when = dict(Referral.objects.filter(case__in=ids).values_list("case_id", "referred_at"))
    events = Event.objects.filter(verb="case.referred", object_type="cases.case", object_id__in=ids)
    counted = Counter(events.values_list("object_id", flat=True))
    instants = dict(events.values_list("object_id", "at"))
    for pk in ids:
        case = cases[pk]
        if rows[pk] != 1:
            found.append(f"{case} has {rows[pk]} referrals")
        if counted[pk] != 1:
            found.append(f"{case} has {counted[pk]} events case.referred")
        if case.state != "referred":
            found.append(f"{case} is {case.state}")
        if not when.get(pk) == instants.get(pk) == case.refers_at:
            found.append(
                f"{case} was referred at {when.get(pk)}, by its event {instants.get(pk)}, due {case.refers_at}"
            )
    return found


def _misses(ids: list[int]) -> list[str]:
    found = []
    notices = list(Notice.objects.filter(case__in=ids, kind="evidence"))
    events = Event.objects.filter(verb="notice.missed", object_id__in=[n.pk for n in notices])
    counted = Counter(events.values_list("object_id", flat=True))
    instants = dict(events.values_list("object_id", "at"))
    referred = dict(Event.objects.filter(verb="case.referred", object_id__in=ids).values_list("object_id", "id"))
    order = dict(events.values_list("object_id", "id"))
    for notice in notices:
        wanted = 1 if notice.state in {"missed", "answered_late"} else 0
        if counted[notice.pk] != wanted:
            found.append(f"{notice} is {notice.state} and has {counted[notice.pk]} events notice.missed")
        if notice.state == "issued":
            found.append(f"{notice} still waits for an answer")
        if wanted and instants.get(notice.pk) != notice.due_at:
            found.append(f"{notice} was missed at {instants.get(notice.pk)}, due {notice.due_at}")
        if wanted and not order.get(notice.pk, 0) < referred.get(notice.case_id, 0):
            found.append(f"{notice} was missed after its case was referred")
    return found


def _letters(ids: list[int]) -> list[str]:
    found = []
    referrals = list(Referral.objects.filter(case__in=ids).select_related("case__officer", "case__deputy"))
    letters = Counter(
        Message.objects.filter(about_type="cases.referral", about_id__in=[r.pk for r in referrals]).values_list(
            "about_id", "template", "address"
        )
    )
    by_referral = Counter(about for about, _template, _address in letters)
    staff = set(User.objects.able_to_sign_in().filter(role="supervisor").values_list("email", flat=True))
    known: dict[int, set[str]] = {}
    for referral in referrals:
        orgs = list(referral.case.parties.values_list("organisation_id", flat=True))
        team = {p.email for p in (referral.case.officer, referral.case.deputy) if p is not None}
        wanted = [
            *(("referral_queued", a) for a in _addresses(referral.authority_id, known)),
            *(("case_referred", a) for org in orgs for a in _addresses(org, known)),
            *(("case_referred_staff", a) for a in team | staff),
        ]
        for template, address in wanted:
            if letters[referral.pk, template, address] != 1:
                found.append(f"{referral}: {letters[referral.pk, template, address]} letters {template} to {address}")
        if by_referral[referral.pk] != len(wanted):
            found.append(f"{referral}: {by_referral[referral.pk]} kinds of letters, not {len(wanted)}")
    return found


def _addresses(organisation_id: int, known: dict[int, set[str]]) -> set[str]:
    if organisation_id not in known:
        people = User.objects.able_to_sign_in().filter(organisation_id=organisation_id)
        contacts = Contact.objects.filter(organisation_id=organisation_id, removed_at=None)
        known[organisation_id] = {*people.values_list("email", flat=True), *contacts.values_list("email", flat=True)}
    return known[organisation_id]
