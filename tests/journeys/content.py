"""What people write in the journeys: the story's filings as the names and values of the controls of each section."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from config import acts
from disclosures.catalogue import SCHEMAS
from disclosures.forms import initial_of
from evidence.models import EvidenceItem

LATER = {"precision": "not_known", "why": "The invoices are on their way.", "known_by": "2026-10-26"}


def disclosure() -> dict[str, dict[str, Any]]:
    """Section by section; the number of requests is not yet known."""
    return _by_section("disclosure", acts.disclosure_content(1, requests=LATER))


def allegation(item: EvidenceItem) -> dict[str, dict[str, Any]]:
    """Section by section, with one piece of evidence."""
    return _by_section("allegation", acts.allegation_content(1, item, respondent="Kestrel plc"))


def _by_section(kind: str, content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {section.key: initial_of(section, content) for section in SCHEMAS[kind].sections}


def evidence(file: Path, public: Path) -> dict[str, Any]:
    """Every control of the page that adds evidence."""
    return {
        "file": file,
        "title": "Gateway log",
        "kind": "access_log",
        "relevance": "How many requests came from the accounts, minute by minute.",
        "source_system": "API gateway",
        "collected_by": "A. Archivist, records",
        "collected_on": date(2026, 10, 2),
        "collection_method": "Exported by query",
        "time_source": "UTC by NTP",
        "original_retained_where": "Log store, hold set",
        "sampling": "Nothing was.",
        "pseudonymisation": "Account names by a keyed hash.",
        "personal_data": "no",
        "limb": "commercial",
        "confidentiality_reason": "Volumes by account show rivals what customers buy.",
        "public_file": public,
        "collector_declares": "on",
    }


def files(folder: Path) -> tuple[Path, Path]:
    """A log and what others may see of it."""
    log, public = folder / "usage.csv", folder / "usage-public.csv"
    log.write_text("minute,requests\n1,412\n2,398\n")
    public.write_text("minute,requests\n1,hundreds\n2,hundreds\n")
    return log, public
