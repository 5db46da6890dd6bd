"""What people of the story do, one thing at a time: file, give evidence, open a case, answer a notice.

Each is what they would do in the browser, through the same actions.
"""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Organisation, User
from cases.actions import answers, notices
from cases.actions import case as cases
from cases.models import Case, Notice
from disclosures import actions as filings
from disclosures.catalogue import SCHEMAS
from disclosures.examples import AUTHORISATION, EXAMPLES
from disclosures.models import Filing
from evidence import actions as evidence
from evidence.models import EvidenceItem
from ledger.time import local_date, now


def log_file(name: str, rows: int) -> SimpleUploadedFile:
    """A small, invented usage log."""
    text = io.StringIO()
    text.write("minute,account_hash,model,requests,input_tokens,output_tokens\n")
    for n in range(rows):
        text.write(
            f"2026-06-{n % 28 + 1:02d}T{n % 24:02d}:00Z,a{n * 7919 % 99991:05x},heron-2,{40 + n % 9},9000,61000\n"
        )
    return SimpleUploadedFile(name, text.getvalue().encode(), content_type="text/csv")


def give_evidence(by: User, title: str, *, public: bool = True, rows: int = 200, log: bytes = b"") -> EvidenceItem:
    """One item of evidence with every custody field; `log` is the content of its file, where it matters."""
    return evidence.add(
        by=by,
        file=SimpleUploadedFile("usage.jsonl", log) if log else log_file("usage.csv", rows),
        public_file=log_file("usage-public.csv", 3) if public else None,
        received_at=now(),
        title=title,
        kind="access_log",
        relevance="Shows how many requests came from the accounts concerned, minute by minute.",
        period_from=local_date(now()) - timedelta(days=60),
        period_to=local_date(now()) - timedelta(days=30),
        source_system="API gateway, log shipper 4.2",
        collected_by=by.name,
        collected_on=local_date(now()),
        collection_method="Exported by query from the log store; the query is kept with the original.",
        original_retained_where="Log store of the company, legal hold set",
        time_source="UTC by NTP, skew below one second",
        sampling="None: every row of the accounts concerned",
        pseudonymisation="Account names replaced by a keyed hash; the key is held by the data protection officer",
        personal_data=False,
        collector_declares=True,
        limb="commercial",
        confidentiality_reason="Volumes by account show rivals what customers buy.",
        no_public_version_because="" if public else "Without the figures nothing is left that could be shown.",
    )


def disclosure_content(number: int, *, requests: Any = None) -> dict[str, Any]:
    """Every answer of a believable disclosure."""
    content = {**EXAMPLES["disclosure"], "filer_reference": f"EXT-2026-{number:03d}"}
    return {**content, "requests": requests} if requests else content


def allegation_content(number: int, item: EvidenceItem, *, respondent: str, named: bool = True) -> dict[str, Any]:
    """Every answer of a believable allegation."""
    return {
        **EXAMPLES["allegation"],
        "filer_reference": f"ALL-2026-{number:03d}",
        "respondent_name": respondent,
        "evidence": [item.reference],
        "consent_named": named,
    }


def authorisation_content(**over: Any) -> dict[str, Any]:
    """Every answer of a believable authorisation whose window begins in three days."""
    first = local_date(now()) + timedelta(days=3)
    window = {"starts_on": first.isoformat(), "ends_on": (first + timedelta(days=89)).isoformat()}
    return {**AUTHORISATION, **window, **over}


def draft(kind: str, by: User, content: dict[str, Any]) -> Filing:
    """Start a filing and save every section of it."""
    filing = filings.start(kind, by=by)
    for section in SCHEMAS[kind].sections:
        filled = {f.name: content[f.name] for f in section.fields if f.name in content}
        filings.save_section(filing.pk, by=by, section=section.key, content=filled, revision=0, finished=True)
    return filing


def file_it(kind: str, by: User, content: dict[str, Any], *, capacity: str = "General counsel") -> Filing:
    """Draft, declare and submit."""
    filing = draft(kind, by, content)
    return filings.submit(filing.pk, by=by, name=by.name, capacity=capacity, received_at=now())


def open_from(filing: Filing, by: User, title: str, respondent: str) -> Case:
    """Open a case from an admitted allegation."""
    ask = notices.Ask
    return cases.open_case(
        by=by,
        title=title,
        subject="Bulk querying of speech and language models between May and June 2026.",
        purpose="To find whether outputs were collected to train a competing model, and under what terms.",
        source_id=filing.pk,
        seats=[
            cases.Seat(
                filing.organisation_id,
                "complainant",
                (
                    ask("How were the accounts tied to one another?"),
                    ask("Which other explanations did you test, and how?"),
                ),
            ),
            cases.Seat(
                Organisation.objects.get(name=respondent).pk,
                "respondent",
                (
                    ask("Which of your accounts queried these models between 1 May and 30 June 2026?"),
                    ask("What was done with the outputs?"),
                    ask("Which authorisation do you rely on, if any?"),
                ),
            ),
        ],
    )


def admitted(by: User, officer: User, number: int, *, respondent: str, title: str, named: bool = True) -> Filing:
    """An allegation with its evidence, acknowledged and admitted."""
    item = give_evidence(by, f"Gateway log: {title}")
    filing = file_it("allegation", by, allegation_content(number, item, respondent=respondent, named=named))
    filings.acknowledge(filing.pk, by=officer)
    return filings.admit(filing.pk, by=officer)


def answer_all(notice: Notice, by: User, *, attach: str = "", log: bytes = b"") -> None:
    """Answer every question of a notice and hand the answers in."""
    item = give_evidence(by, attach, log=log) if attach else None
    for question in notice.questions.all():
        last = question.number == notice.questions.count()
        if last and item is None:
            answers.save_answer(
                question.pk,
                by=by,
                how="not_held",
                where_held="With our former cloud provider.",
                why_not_held="Their retention period is over.",
                revision=0,
            )
        else:
            answers.save_answer(
                question.pk,
                by=by,
                how="answer",
                text="We have looked through the records of the period and set out what we found in the attached log.",
                evidence=[item.reference] if item else [],
                revision=0,
            )
    answers.answer(notice.pk, by=by, received_at=now())


def notice_to(case: Case, company: str) -> Notice:
    """The company's notice to produce evidence in this round."""
    return case.notices.get(party__organisation__name=company, kind="evidence", round=case.round)
