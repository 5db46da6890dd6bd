"""Authorisations: who may do what to them, what counts when, what is marked, who sees them; and races."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Organisation
from cases.actions import case as cases
from cases.actions import notices
from disclosures.actions import authorisations as act
from disclosures.models import Authorisation, AuthorisationAnswer, AuthorisationVersion
from ledger.models import Event
from ledger.time import now, standing_at
from notifications.models import Message
from tests.cast import organisation, signed_in
from tests.disclosures.permissions import HARRIER, Sides, agree, amended, confirmed, content, proposed, sides
from web.problems import Conflict, Invalid

MONDAY = datetime(2026, 10, 5, 9, 30, tzinfo=UTC)


@pytest.fixture
def s(db: None) -> Sides:
    return sides()


# --- From a proposal to its end ------------------------------------------------------------------------------------------
def test_proposal_counts_once_it_is_confirmed(s: Sides) -> None:
    with standing_at(MONDAY):
        found = proposed(s, starts_on="2026-10-05", ends_on="2026-10-30")
        assert (found.state, found.confirmed_at, found.reference[:7]) == ("proposed", None, "P-2026-")
        assert found.governing(MONDAY) is None
    later = MONDAY + timedelta(hours=3)
    with standing_at(later):
        agree(found, s.grantee)
    found.refresh_from_db()
    assert (found.state, found.confirmed_at, found.registered_at) == ("confirmed", later, MONDAY)
    answer = AuthorisationAnswer.objects.get()
    assert (answer.name, answer.capacity, answer.by) == ("Kit Rowe", "Head of evaluation", s.grantee)
    counting = found.governing(later)
    assert counting is not None
    assert (counting.number, counting.afterwards, counting.terms.max_requests) == (1, False, 200_000)
    early = found.governing(later - timedelta(seconds=1))
    assert early is not None
    assert early.afterwards, "what was done before is covered only afterwards, and it is said"
    verbs = Event.objects.filter(reference=found.reference).order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["authorisation.proposed", "authorisation.confirmed"]
    both = {s.grantor.organisation_id, s.grantee.organisation_id}
    assert all(set(e.audience) == both for e in Event.objects.filter(reference=found.reference))


def test_both_sides_hear_of_it(s: Sides) -> None:
    found = proposed(s)
    asked = Message.objects.filter(template="authorisation_to_confirm")
    assert {m.organisation_id for m in asked} == {s.grantee.organisation_id}
    assert {s.grantee.email, s.second.email} <= set(asked.values_list("address", flat=True))
    agree(found, s.grantee)
    told = Message.objects.filter(template="authorisation_answered")
    assert {m.organisation_id for m in told} == {s.grantor.organisation_id}
    act.revoke(found.pk, by=s.grantor, reason="Over.")
    assert {m.organisation_id for m in told.filter(context__state="revoked")} == {s.grantee.organisation_id}


def test_refusal_and_withdrawal_end_it(s: Sides) -> None:
    refused, withdrawn = proposed(s), proposed(s)
    act.refuse(refused.pk, by=s.second, reason="The accounts are not ours.")
    act.withdraw(withdrawn.pk, by=s.colleague, reason="Registered in error.")
    for found, state in ((refused, "refused"), (withdrawn, "withdrawn")):
        found.refresh_from_db()
        assert (found.state, found.confirmed_at, found.governing(now())) == (state, None, None)
        assert found.latest.outcome is not None
        for verb in (act.refuse, act.withdraw, act.revoke):
            for by in (s.grantor, s.grantee):
                with pytest.raises((Conflict, PermissionDenied)):
                    verb(found.pk, by=by, reason="x")  # type: ignore[operator]


def test_amendment_counts_from_its_confirmation_and_the_old_one_until_then(s: Sides) -> None:
    with standing_at(MONDAY):
        found = confirmed(s, starts_on="2026-10-05", ends_on="2026-10-30")
    with standing_at(MONDAY + timedelta(days=1)):
        amended(found, s.grantor, starts_on="2026-10-05", ends_on="2026-11-30", max_requests=300_000)
        found.refresh_from_db()
        assert (found.state, found.shown.number, found.waiting and found.waiting.number) == ("amending", 1, 2)
        with pytest.raises(Conflict):
            amended(found, s.grantor, max_requests=400_000)
    with standing_at(MONDAY + timedelta(days=2)):
        agree(found, s.grantee, version=2)
    found.refresh_from_db()
    counts = [found.governing(MONDAY + timedelta(days=n)) for n in (0, 1, 2)]
    assert [(c.number, c.terms.max_requests) for c in counts if c] == [(1, 200_000), (1, 200_000), (2, 300_000)]
    assert found.confirmed_at == MONDAY, "it stays the instant of the first confirmation"
    assert AuthorisationVersion.objects.count() == 2


@pytest.mark.parametrize("end", ["refuse", "withdraw"])
def test_amendment_that_comes_to_nothing_leaves_the_old_one(s: Sides, end: str) -> None:
    found = confirmed(s)
    amended(found, s.grantor, max_requests=300_000)
    by = s.grantee if end == "refuse" else s.grantor
    getattr(act, end)(found.pk, by=by, reason="No.", version=2)
    found.refresh_from_db()
    assert (found.state, found.shown.number, found.waiting) == ("confirmed", 1, None)
    amended(found, s.grantor, max_requests=250_000)
    agree(found, s.grantee, version=3)
    counting = Authorisation.objects.get().governing(now())
    assert counting is not None
    assert (counting.number, counting.terms.max_requests) == (3, 250_000)


def test_either_side_revokes_and_an_amendment_lapses(s: Sides) -> None:
    for by in (s.grantor, s.grantee):
        found = confirmed(s)
        amended(found, s.grantor, max_requests=300_000)
        act.revoke(found.pk, by=by, reason="A leak.")
        found.refresh_from_db()
        assert (found.state, found.governing(now()), found.waiting) == ("revoked", None, None)
        with pytest.raises(Conflict):
            agree(found, s.grantee)


def test_revocation_from_a_later_day_can_be_brought_forward_only(s: Sides) -> None:
    with standing_at(MONDAY):
        found = confirmed(s, starts_on="2026-10-05", ends_on="2026-12-30")
        with pytest.raises(Invalid, match="has passed"):
            act.revoke(found.pk, by=s.grantor, reason="x", effective_at=MONDAY - timedelta(seconds=1))
        act.revoke(found.pk, by=s.grantor, reason="In a month.", effective_at=MONDAY + timedelta(days=30))
        found.refresh_from_db()
        assert found.governing(MONDAY + timedelta(days=29)) is not None
        assert found.governing(MONDAY + timedelta(days=30)) is None
        with pytest.raises(Invalid, match="already"):
            act.revoke(found.pk, by=s.grantee, reason="x", effective_at=MONDAY + timedelta(days=31))
    with standing_at(MONDAY + timedelta(days=2)):
        act.revoke(found.pk, by=s.grantee, reason="At once.")
        found.refresh_from_db()
        assert found.revoked_at == MONDAY + timedelta(days=2)
        assert found.governing(MONDAY + timedelta(days=1)) is not None, "what was done before stays covered"
        with pytest.raises(Conflict):
            act.revoke(found.pk, by=s.grantor, reason="Again.")
    assert AuthorisationAnswer.objects.filter(outcome="revoked").count() == 2


# --- Registered, or confirmed, afterwards --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("first_day", "registered", "marked"),
    [
        # A day of summer time begins at 23:00 UTC of the day before, one of winter time at midnight.
        ("2026-06-01", "2026-05-31T22:59:59+00:00", False),
        ("2026-06-01", "2026-05-31T23:00:00+00:00", False),
        ("2026-06-01", "2026-05-31T23:00:01+00:00", True),
        ("2026-03-29", "2026-03-28T23:30:00+00:00", False),  # the clocks go forward an hour after this day began
        ("2026-03-29", "2026-03-29T00:30:00+00:00", True),
        ("2026-10-26", "2026-10-25T23:30:00+00:00", False),  # they went back: midnight is midnight again
        ("2026-10-25", "2026-10-24T23:30:00+00:00", True),
    ],
)
def test_window_that_had_begun_is_marked(s: Sides, first_day: str, registered: str, marked: bool) -> None:
    with standing_at(datetime.fromisoformat(registered)):
        found = proposed(s, starts_on=first_day, ends_on="2026-12-30")
    assert found.retroactive is marked
    assert Event.objects.get(verb="authorisation.proposed").details["retroactive"] is marked


def test_confirmation_after_the_window_began_is_said(s: Sides) -> None:
    with standing_at(MONDAY):
        found = proposed(s, starts_on="2026-10-06", ends_on="2026-10-30")
    with standing_at(MONDAY + timedelta(days=4)):
        agree(found, s.grantee)
        found.refresh_from_db()
        assert (found.retroactive, found.confirmed_afterwards) == (False, True)
        page = signed_in(s.grantor).get(reverse("authorisation", args=[found.reference])).content.decode()
    assert "The window had begun when it was confirmed" in page
    assert Event.objects.get(verb="authorisation.confirmed").details["afterwards"] is True


def test_amendment_is_marked_only_where_it_reaches_further_back(s: Sides) -> None:
    with standing_at(MONDAY):
        found = confirmed(s, starts_on="2026-10-06", ends_on="2026-10-30")
    with standing_at(MONDAY + timedelta(days=10)):
        amended(found, s.grantor, starts_on="2026-10-06", ends_on="2026-11-30")
        agree(found, s.grantee)
        amended(found, s.grantor, starts_on="2026-10-01", ends_on="2026-11-30")
    assert [v.retroactive for v in found.versions.all()] == [False, False, True]


# --- What is refused -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("missing", ["signatory_authority", "models", "accounts", "starts_on", "contact", "kept_days"])
def test_what_is_missing_is_told_beside_the_question(s: Sides, missing: str) -> None:
    with pytest.raises(Invalid) as refused:
        proposed(s, **{missing: None})
    assert set(refused.value.errors) == {missing}
    assert not Authorisation.objects.exists()


@pytest.mark.parametrize("name", ["Nobody Ltd", "Harrier", "Wren Ltd", "Ministry of Tests", "Authority of Tests"])
def test_grantee_is_a_verified_company_or_partner_by_its_whole_name(s: Sides, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        act.propose(by=s.grantor, grantee=name, content=content())
    assert refused.value.errors == {"grantee": [act.NOT_FOUND]}, "one and the same words, whoever is here or not"


def test_grantee_is_found_however_its_name_is_typed(s: Sides) -> None:
    found = act.propose(by=s.grantor, grantee="  harrier   ANALYTICS plc ", content=content())
    assert found.grantee.name == HARRIER


def test_nobody_permits_itself_and_of_two_with_one_name_neither_is_meant(s: Sides) -> None:
    for name in (s.grantor.organisation.name, "Twin Ltd"):
        organisation("Twin Ltd")
        organisation("Twin Ltd")
        with pytest.raises(Invalid):
            act.propose(by=s.grantor, grantee=name, content=content())


def test_amendment_that_changes_nothing_is_refused(s: Sides) -> None:
    with pytest.raises(Invalid, match="Nothing differs"):
        amended(confirmed(s), s.grantor)


def test_nobody_agrees_to_what_is_unread(s: Sides) -> None:
    found = confirmed(s)
    amended(found, s.grantor, max_requests=300_000)
    act.withdraw(found.pk, by=s.grantor, reason="Wrong.", version=2)
    amended(found, s.grantor, max_requests=900_000)
    for do in (
        lambda: agree(found, s.grantee, version=2),
        lambda: act.refuse(found.pk, by=s.grantee, reason="x", version=2),
    ):
        with pytest.raises(Conflict, match="new version"):
            do()


WRONG_SIDE: dict[str, Callable[[Sides], list[Any]]] = {
    "confirm": lambda s: [s.grantor, s.colleague],
    "refuse": lambda s: [s.grantor, s.colleague],
    "withdraw": lambda s: [s.grantee, s.second],
    "amend": lambda s: [s.grantee, s.second],
}


def do(verb: str, found: Authorisation, by: Any) -> Any:
    if verb == "confirm":
        return agree(found, by)
    if verb == "amend":
        return amended(found, by, max_requests=300_000)
    return getattr(act, verb)(found.pk, by=by, reason="x")


@pytest.mark.parametrize("verb", ["confirm", "refuse", "withdraw", "amend", "revoke"])
def test_only_the_side_whose_it_is_does_it(s: Sides, verb: str) -> None:
    found = confirmed(s) if verb in {"amend", "revoke"} else proposed(s)
    for by in [*WRONG_SIDE.get(verb, lambda s: [])(s), s.caseworker, s.supervisor]:
        with pytest.raises(PermissionDenied):
            do(verb, found, by)
    for by in (s.rival, s.institute, s.newcomer, s.authority, s.auditor):
        with pytest.raises(Authorisation.DoesNotExist):
            do(verb, found, by)
    before = found.state
    found.refresh_from_db()
    assert found.state == before
    assert do(verb, found, s.second if verb in {"confirm", "refuse"} else s.colleague)


def test_who_is_not_verified_or_no_company_registers_nothing(s: Sides) -> None:
    for by in (s.newcomer, s.institute, s.caseworker, s.authority, s.auditor):
        with pytest.raises(PermissionDenied):
            act.propose(by=by, grantee=HARRIER, content=content())


def test_institute_is_permitted_and_answers_for_itself(s: Sides) -> None:
    found = act.propose(by=s.grantor, grantee="Aspen Institute", content=content())
    assert "Authorisations to confirm (1)" in signed_in(s.institute).get("/").content.decode()
    agree(found, s.institute)
    assert Authorisation.objects.get().state == "confirmed"


# --- Who sees it ---------------------------------------------------------------------------------------------------------
def test_two_sides_and_the_ministry_see_it_and_nobody_else(s: Sides, settings: Any) -> None:
    settings.SECOND_FACTOR_REQUIRED = False
    found = confirmed(s)
    url = reverse("authorisation", args=[found.reference])
    for user in (s.grantor, s.colleague, s.grantee, s.second, s.caseworker, s.supervisor):
        assert signed_in(user).get(url).status_code == 200, user
    for user in (s.rival, s.institute, s.newcomer, s.authority, s.auditor):
        assert signed_in(user).get(url).status_code == 404, user
        assert signed_in(user).get(url + "versions/1/").status_code == 404
        assert found.reference not in signed_in(user).get(reverse("authorisations")).content.decode()
    assert Event.objects.visible_to(s.auditor).filter(reference=found.reference).count() == 2


def test_official_with_a_conflict_sees_nothing_between_the_two(s: Sides, settings: Any) -> None:
    settings.SECOND_FACTOR_REQUIRED = False
    earlier = confirmed(s)
    other = act.propose(by=s.grantor, grantee="Magpie Ltd", content=content())
    seats = [
        cases.Seat(side.organisation_id, role, (notices.Ask("Why?"),))
        for side, role in ((s.grantor, "complainant"), (s.grantee, "respondent"))
    ]
    case = cases.open_case(by=s.supervisor, title="T", subject="S", purpose="P", seats=seats)
    cases.declare_conflict(case.pk, by=s.caseworker, reason="My sister works there.")
    later = proposed(s)
    back = act.propose(by=s.grantee, grantee=s.grantor.organisation.name, content=content())
    seen = Authorisation.objects.visible_to(s.caseworker)
    assert list(seen) == [other]
    assert Authorisation.objects.visible_to(s.supervisor).count() == 4
    told = Event.objects.visible_to(s.caseworker).values_list("reference", flat=True)
    assert not {earlier.reference, later.reference, back.reference} & set(told)
    assert signed_in(s.caseworker).get(reverse("authorisation", args=[later.reference])).status_code == 404


def test_odd_addresses_are_not_found(s: Sides) -> None:
    found = confirmed(s)
    client = signed_in(s.grantor)
    for rest in ("versions/0/", "versions/2/", "versions/x/", "nothing/"):
        assert client.get(reverse("authorisation", args=[found.reference]) + rest).status_code == 404
    assert client.get("/authorisations/P-2026-999999/").status_code == 404
    assert client.get("/authorisations/?page=x").status_code == 200


# --- Finding by period ---------------------------------------------------------------------------------------------------
def test_covering_finds_by_period_and_sides(s: Sides) -> None:
    with standing_at(MONDAY):
        found = confirmed(s, starts_on="2026-10-05", ends_on="2026-10-07")
        proposed(s, starts_on="2026-10-05", ends_on="2026-10-07")
    day = timedelta(days=1)
    covering = Authorisation.objects.covering
    assert list(covering(MONDAY, MONDAY + day)) == [found]
    assert list(covering(MONDAY, MONDAY, grantors=[s.grantor.organisation], grantees=[s.grantee.organisation_id])) == [
        found
    ]
    assert not covering(MONDAY, MONDAY, grantors=[s.grantee.organisation_id]).exists()
    assert not covering(MONDAY + 3 * day, MONDAY + 9 * day).exists()
    assert list(Authorisation.objects.of(s.grantee.organisation).covering(MONDAY, MONDAY)) == [found]
    with standing_at(MONDAY):
        act.revoke(found.pk, by=s.grantor, reason="x")
    assert not covering(MONDAY, MONDAY + day).exists()
    assert list(covering(MONDAY - timedelta(hours=1), MONDAY + day)) == [found]


def test_list_does_not_ask_more_of_the_database_when_it_grows(s: Sides) -> None:
    client = signed_in(s.grantor)

    def queries() -> int:
        with CaptureQueriesContext(connection) as context:
            assert client.get(reverse("authorisations")).status_code == 200
        return len(context)

    confirmed(s)
    before = queries()
    for _ in range(5):
        amended(confirmed(s), s.grantor, max_requests=300_000)
    assert queries() == before


# --- What the database keeps ---------------------------------------------------------------------------------------------
def test_versions_and_answers_cannot_be_changed(s: Sides) -> None:
    confirmed(s)
    for model in (AuthorisationVersion, AuthorisationAnswer):
        table = model._meta.db_table
        for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            with pytest.raises(Exception, match=r"refused|permission denied"), transaction.atomic():
                connection.cursor().execute(statement)
        assert model._default_manager.count() == 1


def test_database_repeats_the_rules(s: Sides) -> None:
    found = confirmed(s)
    version, instant = found.latest, now()
    said = {"version": version, "by": s.grantee, "at": instant}
    wrong = [
        lambda: AuthorisationAnswer.objects.create(outcome="refused", effective_at=instant, **said),
        lambda: AuthorisationAnswer.objects.create(outcome="revoked", effective_at=instant - timedelta(1), **said),
        lambda: Authorisation.objects.filter(pk=found.pk).update(state="revoked"),
        lambda: Authorisation.objects.filter(pk=found.pk).update(revoked_at=instant),
        lambda: Authorisation.objects.create(
            reference="P-2026-999998",
            grantor=s.grantor.organisation,
            grantee=s.grantor.organisation,
            registered_by=s.grantor,
        ),
    ]
    for do_wrong in wrong:
        with pytest.raises(IntegrityError), transaction.atomic():
            do_wrong()


# --- Two at once ---------------------------------------------------------------------------------------------------------
def _race(concurrently: Callable[..., list[Any]], answer: Callable[..., Any]) -> tuple[Authorisation, list[Any]]:
    s = sides()
    found = proposed(s)
    together = threading.Barrier(2)

    def one(verb: str, by: Any) -> Any:
        together.wait(10)
        return answer(verb, found, by)

    outcomes = concurrently(lambda: one("confirm", s.grantee), lambda: one("withdraw", s.grantor))
    return Authorisation.objects.get(pk=found.pk), outcomes


def test_race_of_confirmation_and_withdrawal_has_one_winner(concurrently: Callable[..., list[Any]]) -> None:
    for number in range(10):
        Organisation.objects.update(name=f"Earlier {number}")
        found, outcomes = _race(concurrently, do)
        told = [o for o in outcomes if isinstance(o, Conflict)]
        won = [o for o in outcomes if isinstance(o, Authorisation)]
        assert (len(won), len(told)) == (1, 1), outcomes
        assert found.state == won[0].state
        assert found.versions.get().answers.count() == 1


def test_race_without_the_lock_lets_both_believe_they_won(concurrently: Callable[..., list[Any]]) -> None:
    """The negative control: the same look and the same change, without the row lock."""
    looked = threading.Barrier(2)

    def careless(verb: str, found: Authorisation, by: Any) -> Any:
        with transaction.atomic():
            mine = Authorisation.objects.get(pk=found.pk)
            act.check(by, act.RULES[verb], mine)
            looked.wait(10)
            instant = now() if verb == "confirm" else None
            act._move(mine, act.RULES[verb], **({"confirmed_at": instant} if instant else {}))
        return mine

    _, outcomes = _race(concurrently, careless)
    assert {o.state for o in outcomes} == {"confirmed", "withdrawn"}
