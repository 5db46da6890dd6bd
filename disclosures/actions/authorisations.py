"""What two organisations do with an authorisation: one registers it, the other confirms it, either may end it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.urls import reverse

from accounts.models import Organisation, User
from accounts.permissions import Rule, check
from disclosures.authorisation import clashes, terms_of
from disclosures.catalogue import AUTHORISATION
from disclosures.models import Authorisation, AuthorisationAnswer, AuthorisationBarrier, AuthorisationVersion
from disclosures.rules import AUTHORISATION_RULES as RULES
from disclosures.schema import asked, problems
from ledger.actions import action, record, wall
from ledger.digests import digest
from ledger.references import next_reference
from ledger.time import local_date, now
from notifications.actions import tell
from web.problems import Conflict, Invalid

Outcome = AuthorisationAnswer.Outcome
NOT_FOUND = (
    "No verified organisation has exactly this name here. Ask them under which name they are registered on this service"
)


@action
def propose(*, by: User, grantee: str, content: dict[str, Any]) -> Authorisation:
    """Register a permission, given by the own organisation to the one of this name; it counts once that confirms it.

    Raises Invalid with messages by field of what is missing or does not fit together.
    """
    check(by, RULES["propose"])
    other = _grantee_named(grantee, by)
    whole = _whole(content)
    instant = now()
    authorisation = Authorisation.objects.create(
        reference=next_reference("P"),
        grantor_id=by.organisation_id,
        grantee=other,
        registered_at=instant,
        registered_by=by,
    )
    version = _register(authorisation, whole, by=by, at=instant)
    barred = AuthorisationBarrier.objects.between(by.organisation_id, other.pk).select_related("user")
    wall([authorisation], [barrier.user for barrier in barred])
    _record(by, "proposed", authorisation, version, retroactive=version.retroactive)
    _ask(authorisation, by)
    return authorisation


@action
def amend(authorisation_id: int, *, by: User, content: dict[str, Any], change: str) -> Authorisation:
    """Propose a new version; until the grantee confirms it, the one before it counts."""
    authorisation = _locked(authorisation_id)
    check(by, RULES["amend"], authorisation)
    whole = _whole(content)
    if digest(whole) == authorisation.shown.sha256:
        raise Invalid({"": ["Nothing differs from what is in force. Change what is to be changed"]})
    version = _register(authorisation, whole, by=by, at=now(), change=change)
    _move(authorisation, RULES["amend"])
    _record(by, "amended", authorisation, version, retroactive=version.retroactive)
    _ask(authorisation, by)
    return authorisation


@action
def confirm(authorisation_id: int, *, by: User, name: str, capacity: str, version: int | None = None) -> Authorisation:
    """The grantee agrees, by a named person: the version counts from now on. `version` is the one that was read."""
    authorisation = _locked(authorisation_id)
    check(by, RULES["confirm"], authorisation)
    waiting = _read(authorisation, version)
    answer = _answer(waiting, Outcome.CONFIRMED, by=by, name=name, capacity=capacity)
    _move(authorisation, RULES["confirm"], confirmed_at=authorisation.confirmed_at or answer.at)
    _record(by, "confirmed", authorisation, waiting, afterwards=waiting.number == 1 and waiting.starts_at < answer.at)
    _tell_other(authorisation, "confirmed", by)
    return authorisation


@action
def refuse(authorisation_id: int, *, by: User, reason: str, version: int | None = None) -> Authorisation:
    """The grantee does not agree. After the refusal of an amendment the version before it goes on counting."""
    verbs = ("refuse", "refuse_amendment")
    return _decline(authorisation_id, verbs, Outcome.REFUSED, by=by, reason=reason, version=version)


@action
def withdraw(authorisation_id: int, *, by: User, reason: str, version: int | None = None) -> Authorisation:
    """The grantor takes back what the grantee has not answered; an earlier confirmed version goes on counting."""
    verbs = ("withdraw", "withdraw_amendment")
    return _decline(authorisation_id, verbs, Outcome.WITHDRAWN, by=by, reason=reason, version=version)


def _decline(
    authorisation_id: int, verbs: tuple[str, str], outcome: str, *, by: User, reason: str, version: int | None
) -> Authorisation:
    authorisation = _locked(authorisation_id)
    rule = RULES[verbs[authorisation.state == "amending"]]
    check(by, rule, authorisation)
    waiting = _read(authorisation, version)
    _answer(waiting, outcome, by=by, reason=reason)
    _move(authorisation, rule)
    _record(by, outcome, authorisation, waiting)
    _tell_other(authorisation, outcome, by)
    return authorisation


@action
def revoke(authorisation_id: int, *, by: User, reason: str, effective_at: datetime | None = None) -> Authorisation:
    """Either side ends it, from an instant that has not passed (None: at once). What was done before it stays covered.

    An amendment that waits lapses. A revocation that does not hold yet can be brought forward, not put off.
    """
    authorisation = _locked(authorisation_id)
    instant = now()
    before = authorisation.revoked_at
    rule = RULES["revoke_sooner" if before is not None and before > instant else "revoke"]
    check(by, rule, authorisation)
    since = effective_at or instant
    if since < instant:
        raise Invalid({"effective_at": ["An authorisation cannot be revoked from an instant that has passed"]})
    if before is not None and since >= before:
        raise Invalid({"effective_at": ["It is revoked already, from then or from earlier"]})
    version = authorisation.shown
    AuthorisationAnswer.objects.create(
        version=version, outcome=Outcome.REVOKED, reason=reason, by=by, at=instant, effective_at=since
    )
    _move(authorisation, rule, revoked_at=since)
    _record(by, "revoked", authorisation, version, since=since.isoformat())
    _tell_other(authorisation, "revoked", by, until=since.isoformat())
    return authorisation


def bar_between(organisations: Iterable[int], user: User) -> None:
    """Wall an official with a conflict off from all that these organisations permit one another, now and later.

    A shared step of the action that learns of the conflict.
    """
    parties = sorted(set(organisations))
    pairs = [(one, other) for place, one in enumerate(parties) for other in parties[place + 1 :]]
    AuthorisationBarrier.objects.bulk_create(
        [AuthorisationBarrier(one_id=one, other_id=other, user=user) for one, other in pairs], ignore_conflicts=True
    )
    wall(Authorisation.objects.filter(grantor__in=parties, grantee__in=parties), [user])


# --- Shared steps --------------------------------------------------------------------------------------------------------
def _locked(authorisation_id: int) -> Authorisation:
    return Authorisation.objects.select_for_update(of=["self"]).get(pk=authorisation_id)


# That somebody was suspended is not for others to learn.
KNOWN = ("verified", "suspended")


def _grantee_named(name: str, by: User) -> Organisation:
    """By its whole name: a list to choose from would tell every company who else is here."""
    wanted = " ".join(name.split())
    found = Organisation.objects.filter(kind__in=["company", "partner"], state__in=KNOWN, name__iexact=wanted)
    other = found.order_by("pk").first() if found.count() == 1 else None
    if other is None:
        raise Invalid({"grantee": [NOT_FOUND]})
    if other.pk == by.organisation_id:
        raise Invalid({"grantee": ["Your own organisation needs no permission of yours"]})
    return other


def _whole(content: dict[str, Any]) -> dict[str, Any]:
    """What is asked of the content, complete and fitting together. Raises Invalid by field."""
    whole = asked(AUTHORISATION, content)
    found = clashes(whole)
    for section in AUTHORISATION.sections:
        found.update(problems(section, whole, today=local_date(now())))
    if found:
        raise Invalid({name: [message] for name, message in found.items()})
    return whole


def _register(
    authorisation: Authorisation, content: dict[str, Any], *, by: User, at: datetime, change: str = ""
) -> AuthorisationVersion:
    terms = terms_of(content)
    before = authorisation.shown if authorisation.confirmed_at else None
    # An amendment claims the past only where it begins before what it amends.
    began = terms.starts < at and (before is None or terms.starts < before.starts_at)
    return AuthorisationVersion.objects.create(
        authorisation=authorisation,
        number=authorisation.versions.count() + 1,
        schema_version=AUTHORISATION.version,
        content=content,
        sha256=digest(content),
        change=change,
        starts_at=terms.starts,
        ends_at=terms.ends,
        retroactive=began,
        registered_by=by,
        registered_at=at,
    )


def _read(authorisation: Authorisation, version: int | None) -> AuthorisationVersion:
    """The version that waits. Raises Conflict if it is not the one that was read: nobody agrees to what is unread."""
    latest = authorisation.latest
    if version is not None and latest.number != version:
        raise Conflict(f"{authorisation.reference} has a new version since you read it. Read that one first.")
    return latest


def _answer(version: AuthorisationVersion, outcome: str, *, by: User, **said: str) -> AuthorisationAnswer:
    instant = now()
    return AuthorisationAnswer.objects.create(
        version=version, outcome=outcome, by=by, at=instant, effective_at=instant, **said
    )


def _move(authorisation: Authorisation, rule: Rule, **instants: datetime) -> None:
    authorisation.state = rule.after
    for name, instant in instants.items():
        setattr(authorisation, name, instant)
    authorisation.save(update_fields=["state", *instants])


def _record(
    by: User, verb: str, authorisation: Authorisation, version: AuthorisationVersion, **details: bool | str
) -> None:
    said: dict[str, Any] = {"version": version.number, "sha256": version.sha256, **details}
    record(by, f"authorisation.{verb}", authorisation, audience=authorisation.parties, **said)


def _ask(authorisation: Authorisation, by: User) -> None:
    tell(
        "authorisation_to_confirm",
        authorisation,
        organisations=[authorisation.grantee_id],
        url=reverse("authorisation", args=[authorisation.reference]),
        reference=authorisation.reference,
        organisation=by.organisation.name,
        again=authorisation.state == "amending",
    )


def _tell_other(authorisation: Authorisation, state: str, by: User, **more: str) -> None:
    other = authorisation.grantee_id if by.organisation_id == authorisation.grantor_id else authorisation.grantor_id
    tell(
        "authorisation_answered",
        authorisation,
        organisations=[other],
        url=reverse("authorisation", args=[authorisation.reference]),
        reference=authorisation.reference,
        organisation=by.organisation.name,
        state=state,
        **more,
    )
