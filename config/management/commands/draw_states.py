"""Write docs/states.md: a diagram of each state table, drawn from RULES so that it cannot say anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from accounts.models import Organisation
from accounts.permissions import Rules
from accounts.rules import ORGANISATION_RULES
from cases.models import Case, Notice, Referral
from cases.rules import CASE_AFTER_REFERRAL, CASE_RULES, NOTICE_RULES, REFERRAL_RULES
from disclosures.models import Authorisation, Filing
from disclosures.rules import ALLEGATION_RULES, AUTHORISATION_RULES, DISCLOSURE_RULES
from monitoring.models import Alert, Comparison, Feed
from monitoring.rules import ALERT_RULES, COMPARISON_RULES, FEED_RULES
from notifications.models import Delivery, Endpoint
from notifications.rules import DELIVERY_RULES, ENDPOINT_RULES

FILE = Path("docs") / "states.md"
_REFERRED = {f"the referral is {after}": ("referred", to) for after, to in CASE_AFTER_REFERRAL.items()}
TABLES: tuple[tuple[str, Rules, Any, dict[str, tuple[str, str]]], ...] = (
    ("Disclosure", DISCLOSURE_RULES, Filing.State, {}),
    ("Allegation", ALLEGATION_RULES, Filing.State, {}),
    ("Authorisation", AUTHORISATION_RULES, Authorisation.State, {}),
    ("Case", CASE_RULES, Case.State, _REFERRED),
    ("Notice", NOTICE_RULES, Notice.State, {}),
    ("Referral", REFERRAL_RULES, Referral.State, {}),
    ("Usage feed", FEED_RULES, Feed.State, {}),
    ("Alert", ALERT_RULES, Alert.State, {}),
    ("Declared volume beside a log or a feed", COMPARISON_RULES, Comparison.State, {}),
    ("Organisation", {k: rule for k, rule in ORGANISATION_RULES.items() if rule.to_state}, Organisation.State, {}),
    ("Webhook endpoint", ENDPOINT_RULES, Endpoint.State, {}),
    ("Webhook delivery", DELIVERY_RULES, Delivery.State, {}),
)


def drawn() -> str:
    """The whole document, as it should read."""
    parts = [
        "# States\n\nDrawn by `manage.py draw_states` from the RULES tables; a test sees that this page agrees with them.\n"
    ]
    for title, rules, states, extra in TABLES:
        parts.append(f"## {title}\n\n```mermaid\nstateDiagram-v2")
        parts.extend(_arrows(rules, extra))
        parts.append("```\n")
        parts.append("| what | who | from | to |\n|---|---|---|---|")
        parts.extend(_row(verb, rule, states) for verb, rule in rules.items())
        parts.append("")
    return "\n".join(parts)


def _arrows(rules: Rules, extra: dict[str, tuple[str, str]]) -> list[str]:
    lines = []
    for verb, rule in rules.items():
        if rule.to_state is None:
            continue
        sources = sorted(rule.from_states) if rule.from_states else ["[*]"]
        lines += [
            f"    {source} --> {rule.to_state}: {verb.strip('_')}" for source in sources if source != rule.to_state
        ]
    lines += [f"    {source} --> {target}: {words}" for words, (source, target) in extra.items()]
    return lines


def _row(verb: str, rule: Any, states: Any) -> str:
    who = sorted(r.replace("_", " ") for r in rule.roles) + (["the system"] if rule.system else [])
    sources = ", ".join(sorted(rule.from_states)) if rule.from_states else "any"
    return f"| {rule.label} (`{verb}`) | {', '.join(who)} | {sources} | {rule.to_state or 'as it was'} |"


class Command(BaseCommand):
    help = "Write docs/states.md from the RULES tables."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.BASE_DIR / FILE
        if options["check"]:
            if not path.exists() or path.read_text() != drawn():
                self.stderr.write("docs/states.md is out of date: run manage.py draw_states")
                raise SystemExit(1)
            return
        path.write_text(drawn())
