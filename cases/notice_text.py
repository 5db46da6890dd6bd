"""What every notice says (field list 2d): composed once, when it is issued, and frozen with it. Pure."""

from __future__ import annotations

from typing import Any


def evidence_notice(
    *, scheme: Any, authority: str, officer: str, addressee: str, subject: str, purpose: str, role: str
) -> dict[str, str]:
    """The parts of a notice to produce evidence, in the order in which they are printed."""
    return {
        "legal_basis": f"{scheme.name}. {scheme.legal_basis}",
        "issued_by": f"{authority}, by {officer}",
        "addressee": addressee,
        "capacity": f"You are asked as {role} in this case.",
        "subject": subject,
        "purpose": purpose,
        "how_to_reply": (
            "Answer each question in this service and attach the files that it calls for. Save as often as you like; "
            "nothing counts as handed in until you submit. If you do not hold something, say where it is and why you "
            "do not hold it."
        ),
        "time_rule": (
            f"You have {scheme.evidence_days} days. The day on which the notice is served is not counted. A last day "
            "that is not a working day where you are becomes the next working day. An answer is in time if all of it "
            f"has arrived before midnight at the end of the last day. Rule {scheme.time_rule}."
        ),
        "more_time": (
            "You can ask for more time in this service until the end of the last day, and must say why. While a "
            "request that came in time is undecided, the notice does not run out."
        ),
        "consequences": scheme.penalties,
        "confidentiality": (
            "What you send is kept confidential until somebody decides otherwise. Claim confidentiality for each item, "
            "with its reason, and give a version that can be shown or say why none can be made."
        ),
        "privilege": (
            "You need not produce a communication that is protected by legal professional privilege. Say that you "
            "withhold it, its date, the roles of its author and recipients, and the basis."
        ),
        "representations": (
            "You may make representations in writing in your answer, and ask to make them orally by writing to the "
            "officer named above."
        ),
        "preservation": (
            "Keep everything that may be relevant to this case. Do not alter, conceal or destroy it, and suspend any "
            "automatic deletion."
        ),
        "data_protection": (
            "The ministry uses personal data in your answer to decide this case and, if it stays unresolved, passes "
            "what is needed to the competition authority. Do not send personal data that was not asked for."
        ),
    }


def preservation_notice(*, scheme: Any, authority: str, officer: str, addressee: str, subject: str) -> dict[str, str]:
    """The parts of a preservation notice: it asks for nothing to be sent and has no last day."""
    return {
        "legal_basis": f"{scheme.name}. {scheme.legal_basis}",
        "issued_by": f"{authority}, by {officer}",
        "addressee": addressee,
        "subject": subject,
        "preservation": (
            "From now until you are told otherwise, keep every document, log, model artefact and message that may be "
            "relevant to this case. Do not alter, conceal or destroy any of it, suspend automatic deletion, and tell "
            "the people and suppliers who hold it."
        ),
        "consequences": scheme.penalties,
    }


def in_paragraphs(content: dict[str, str]) -> list[tuple[str, str]]:
    """A stored notice as `(heading, text)` pairs, in the order of `HEADINGS`: stored JSON keeps none."""
    return [(heading, content[key]) for key, heading in HEADINGS.items() if key in content]


HEADINGS = {
    "legal_basis": "Legal basis",
    "issued_by": "Issued by",
    "addressee": "To",
    "capacity": "Your part in the case",
    "subject": "What this is about",
    "purpose": "Why we ask",
    "how_to_reply": "How to reply",
    "time_rule": "How long you have",
    "more_time": "If you need more time",
    "consequences": "If you do not reply, or give false information",
    "confidentiality": "Confidential information",
    "privilege": "Legal privilege",
    "representations": "Your right to be heard",
    "preservation": "What you must keep",
    "data_protection": "Personal data",
}
