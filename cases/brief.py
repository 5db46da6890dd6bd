"""The heads of the referral brief (field list 2e) and what an empty one looks like. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Head:
    """One head of the brief: its key, its title, and what belongs under it."""

    key: str
    title: str
    hint: str


HEADS = (
    Head("summary", "Summary", "One page: who, what, when, why it matters"),
    Head("legal_route", "Legal route", "The enactment under which the authority could act, and its date"),
    Head("markets", "Markets", "Goods or services and features concerned"),
    Head("conduct", "Conduct and period", "What was done, by whom, from when to when"),
    Head("theory_of_harm", "Theory of harm", "How competition is harmed, not only that extraction took place"),
    Head("evidence_for", "Evidence for", "With the numbers of the exhibits"),
    Head("evidence_against", "Evidence against", "With the numbers of the exhibits; the respondent’s rebuttal in full"),
    Head("strategic_significance", "Strategic significance", "Prioritisation head 1"),
    Head("impact", "Impact", "Prioritisation head 2"),
    Head("best_placed", "Is the authority best placed to act?", "Prioritisation head 3"),
    Head("resources", "Resources", "Prioritisation head 4"),
    Head("risk", "Risk", "Prioritisation head 5"),
    Head("requested_action", "Action requested", "And whether anything is urgent"),
)
KEYS = frozenset(head.key for head in HEADS)


def laid_out(texts: Mapping[str, str]) -> list[tuple[Head, str]]:
    """Every head with its text; an empty head stays in its place and is shown as empty."""
    return [(head, texts.get(head.key, "")) for head in HEADS]


def why_unresolved(states: Mapping[str, int], *, by_hand: bool) -> list[str]:
    """Why a case goes to the authority, as codes, from the states of its notices in this round."""
    reasons = []
    if by_hand:
        reasons.append("referred_early")
    if states.get("missed"):
        reasons.append("deadline_missed")
    if states.get("answered_late"):
        reasons.append("answered_late")
    if states.get("answered") or states.get("waived"):
        reasons.append("facts_disputed_or_undecided")
    return reasons or ["time_is_up"]


REASONS_IN_WORDS = {
    "referred_early": "The ministry referred it before its time was up",
    "deadline_missed": "A party did not answer in time",
    "answered_late": "A party answered late",
    "facts_disputed_or_undecided": "Answers were given and no decision was made in time",
    "time_is_up": "The time for a decision is up",
}
