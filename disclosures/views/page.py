"""What every page of a filing needs: the filing, if it is for the reader to see, and where it stands in words."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts.models import User
from accounts.permissions import check
from disclosures.catalogue import SCHEMAS
from disclosures.models import Filing, FilingVersion
from disclosures.rules import RULES
from evidence.models import EvidenceItem

COLOURS = {
    "draft": "grey",
    "submitted": "blue",
    "received": "blue",
    "acknowledged": "teal",
    "accepted": "green",
    "admitted": "green",
    "returned": "orange",
    "more_wanted": "orange",
    "rejected": "red",
    "withdrawn": "grey",
    "superseded": "grey",
}
# The model's words speak to the filer; the ministry reads the same states from the other side.
_TO_STAFF = {"returned": "Returned to the company", "more_wanted": "More wanted from the company"}
_NEXT = {
    "draft": "Complete every section, check your answers and submit",
    "submitted": "Nothing for now: the ministry is checking it",
    "returned": "Read the ministry’s reasons, correct it and submit it again",
    "accepted": "Nothing, unless something changes: then amend it",
    "received": "Nothing for now: the ministry will acknowledge it",
    "acknowledged": "Nothing for now: the ministry is deciding whether to admit it",
    "admitted": "Nothing for now: the ministry may open a case and will serve a notice if it needs evidence",
    "more_wanted": "Add what the ministry asks for and submit it again",
    "rejected": "Nothing: read the ministry’s reasons",
    "withdrawn": "Nothing: you took it back",
    "superseded": "Nothing: an amendment took its place",
}
_NEXT_TO_STAFF = {
    "submitted": "Accept it, or return it with reasons",
    "received": "Acknowledge it, then decide whether to admit it",
    "acknowledged": "Admit it, ask for more, or reject it",
    "admitted": "Open a case from it",
    "accepted": "Nothing: it is on record. A case can be opened from it",
}


class Request(HttpRequest):
    """A request behind `login_required`."""

    user: User


def find(request: Request, reference: str) -> Filing:
    """The filing of this reference, if it is for the reader to see; otherwise 404."""
    filings = Filing.objects.visible_to(request.user).select_related("organisation", "scheme", "amends")
    return get_object_or_404(filings, reference=reference)


def find_for(request: Request, reference: str, verb: str) -> Filing:
    """`find`, for a page that leads to `verb`: who may not, or not now, is told before filling anything in."""
    filing = find(request, reference)
    rule = RULES[filing.kind].get(verb)
    if rule is None:
        raise Http404
    check(request.user, rule, filing)
    return filing


def seen_version(request: Request, filing: Filing, number: int | None = None) -> FilingVersion:
    """The version `number` of the filing, or the latest that the reader may see; 404 when there is none."""
    versions = FilingVersion.objects.visible_to(request.user).filter(filing=filing).select_related("declared_by")
    found = versions.order_by("-number") if number is None else versions.filter(number=number)
    version = found.first()
    if version is None:
        raise Http404
    version.filing = filing
    return version


def state_of(filing: Filing, reader: Any) -> tuple[str, str]:
    """The state as a tag: words and colour."""
    words = str(filing.get_state_display())
    if not reader.is_company:
        words = _TO_STAFF.get(filing.state, words)
    return words, COLOURS[filing.state]


def next_step(filing: Filing, reader: Any, *, promised: bool = False) -> str:
    """What the reader does next with it. `promised`: an answer that was not known yet is still owed."""
    if reader.is_company:
        if promised and filing.state == "accepted":
            return "Amend it to give the answers that you promised"
        return _NEXT[filing.state]
    return _NEXT_TO_STAFF.get(filing.state, "Nothing for now") if reader.is_ministry else ""


def list_url(filing: Filing) -> str:
    """The list that the filing belongs to."""
    return reverse(f"{filing.kind}s")


def evidence_titles(reader: Any, filing: Filing, content: dict[str, Any]) -> dict[str, str]:
    """Titles of the evidence that a content names, by reference, as far as the reader may see the items."""
    fields = [f.name for s in SCHEMAS[filing.kind].sections for f in s.fields if f.kind == "evidence"]
    named = [ref for name in fields for ref in content.get(name) or []]
    if not named:
        return {}
    return dict(EvidenceItem.objects.visible_to(reader).filter(reference__in=named).values_list("reference", "title"))
