"""The rule tables are total: every state can be reached and left (or is an end), and every verb is an action's."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.core.management import call_command

from accounts.rules import RULES as ACCOUNTS
from cases.models import Case, Notice, Referral
from cases.rules import CASE_AFTER_REFERRAL, CASE_RULES, EXHIBIT_RULES, NOTICE_RULES, REFERRAL_RULES
from cases.rules import RULES as CASES
from disclosures.models import Authorisation, Filing
from disclosures.rules import ALLEGATION_RULES, AUTHORISATION_RULES, DISCLOSURE_RULES
from disclosures.rules import RULES as FILINGS
from evidence.rules import RULES as EVIDENCE
from monitoring.models import Alert, Comparison, Feed
from monitoring.rules import ALERT_RULES, COMPARISON_RULES, FEED_RULES
from notifications.models import Delivery, Endpoint
from notifications.rules import DELIVERY_RULES, ENDPOINT_RULES, WEBHOOK_RULES
from notifications.rules import RULES as NOTIFICATIONS

ROOT = Path(__file__).parent.parent
DISCLOSURE_STATES = {"draft", "submitted", "accepted", "returned", "withdrawn", "superseded"}
ALLEGATION_STATES = {"draft", "received", "acknowledged", "admitted", "more_wanted", "rejected", "withdrawn"}
ENDS = {
    "accepted",
    "withdrawn",
    "superseded",
    "rejected",
    "refused",
    "resolved",
    "closed",
    "waived",
    "answered_late",
    "declined",
    "dead",
    "delivered",
    "dismissed",
    "taken",
    "noted",
}


@pytest.mark.parametrize(
    ("rules", "states"),
    [
        (DISCLOSURE_RULES, DISCLOSURE_STATES),
        (ALLEGATION_RULES, ALLEGATION_STATES),
        (AUTHORISATION_RULES, set(Authorisation.State.values)),
        (NOTICE_RULES, set(Notice.State.values)),
        (REFERRAL_RULES, set(Referral.State.values)),
        (CASE_RULES, set(Case.State.values)),
        (ENDPOINT_RULES, set(Endpoint.State.values)),
        (DELIVERY_RULES, set(Delivery.State.values)),
        (FEED_RULES, set(Feed.State.values)),
        (ALERT_RULES, set(Alert.State.values)),
        (COMPARISON_RULES, set(Comparison.State.values)),
    ],
)
def test_every_state_is_reached_and_left_or_an_end(rules: dict, states: set[str]) -> None:  # type: ignore[type-arg]
    reached = {rule.to_state for rule in rules.values() if rule.to_state}
    left = {state for rule in rules.values() for state in rule.from_states or ()}
    if rules is CASE_RULES:
        reached |= set(CASE_AFTER_REFERRAL.values())
    assert reached == states
    assert left <= states
    assert states - left <= ENDS | {"returned", "admitted"}


def test_both_kinds_of_filing_use_every_state_there_is() -> None:
    assert set(Filing.State.values) == DISCLOSURE_STATES | ALLEGATION_STATES


@pytest.mark.parametrize(
    ("app", "tables"),
    [
        ("accounts", [ACCOUNTS]),
        ("cases", list(CASES.values())),
        ("disclosures", [*FILINGS.values(), AUTHORISATION_RULES]),
        ("evidence", [EVIDENCE]),
        ("monitoring", [FEED_RULES, ALERT_RULES, COMPARISON_RULES]),
        ("notifications", [NOTIFICATIONS, WEBHOOK_RULES, ENDPOINT_RULES, DELIVERY_RULES]),
    ],
)
def test_every_verb_is_checked_by_an_action(app: str, tables: list[dict[str, object]]) -> None:
    files = [ROOT / app / "actions.py", *(ROOT / app / "actions").rglob("*.py")]
    used = set()
    for file in files:
        if file.exists():
            used |= {n.value for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Constant)}
    verbs = {verb for table in tables for verb in table}
    # "queue" and "issue" say how a referral and a notice begin, "list", "list_own" and "see_webhooks" guard a page.
    assert verbs - used - {"queue", "issue", "list", "list_own", "see_webhooks"} == set()


def test_exhibit_rules_need_a_company() -> None:
    assert EXHIBIT_RULES["comment"].roles == {"company_officer", "company_admin"}


def test_state_diagrams_agree_with_the_tables() -> None:
    call_command("draw_states", "--check")
