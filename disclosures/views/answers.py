"""A filing's content as people read it: sections of questions and answers, and what changed between two contents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from disclosures.catalogue import LIMBS
from disclosures.models import FilingReview
from disclosures.schema import Content, Field, Schema, changes, in_words

_LIMBS = dict(LIMBS)


@dataclass(frozen=True)
class Answer:
    """One question and its answer. `claim`: why it is claimed to be confidential; `before`: the earlier answer.

    `links`: address and words of each item of evidence; no address for what the reader may not open.
    """

    name: str
    label: str
    text: str
    claim: str = ""
    changed: bool = False
    before: str = ""
    href: str = ""
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Answers:
    """The answers of one section."""

    key: str
    title: str
    rows: list[Answer]
    href: str = ""


def answered(
    schema: Schema,
    content: Content,
    titles: Mapping[str, str],
    *,
    before: Content | None = None,
    link: Callable[[str], str] = lambda key: "",
) -> list[Answers]:
    """All sections with every question that is asked. `link` gives the address where a section is changed."""
    changed = set(changes(before, content)) if before is not None else set()
    return [
        Answers(
            section.key,
            section.title,
            [
                _answer(field, content, titles, changed=field.name in changed, href=link(section.key))
                for field in section.fields
                if field.is_asked(content)
            ],
            link(section.key),
        )
        for section in schema.sections
    ]


def changed_answers(schema: Schema, before: Content, now: Content, titles: Mapping[str, str]) -> list[Answer]:
    """The answers that differ, in the order of the questions, with what they were."""
    differing = set(changes(before, now))
    fields = [f for s in schema.sections for f in s.fields if f.name in differing]
    return [
        Answer(
            f.name,
            f.label,
            in_words(f, now.get(f.name), evidence=titles),
            claim=_claim(f, now),
            changed=True,
            before=in_words(f, before.get(f.name), evidence=titles),
        )
        for f in fields
    ]


def _answer(field: Field, content: Content, titles: Mapping[str, str], *, changed: bool, href: str) -> Answer:
    answer = content.get(field.name)
    return Answer(
        field.name,
        field.label,
        in_words(field, answer, evidence=titles),
        claim=_claim(field, content),
        changed=changed,
        href=href,
        links=_links(answer or [], titles) if field.kind == "evidence" else (),
    )


def _links(references: list[str], titles: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (reverse("evidence_item", args=[ref]) if ref in titles else "", f"{ref} {titles.get(ref, '')}".strip())
        for ref in references
    )


def _claim(field: Field, content: Content) -> str:
    limb = content.get(f"claim_{field.name}", "none")
    return _LIMBS.get(limb, "") if field.confidential and limb != "none" else ""


def reasons_of(schema: Schema, review: FilingReview | None) -> list[dict[str, Any]]:
    """A review's reasons in the order of the sections: what concerns the whole filing first."""
    if review is None:
        return []
    titles = {"": "", **{section.key: section.title for section in schema.sections}}
    return [
        {"key": key, "title": titles[key], "text": review.reasons[key]} for key in titles if review.reasons.get(key)
    ]
