"""The section in which confidentiality is claimed, item by item."""

from __future__ import annotations

from disclosures.catalogue.choices import LIMBS
from disclosures.schema import Field, when


def confidential(*groups: tuple[Field, ...]) -> list[Field]:
    return [f for group in groups for f in group if f.confidential]


def claims(fields: list[Field]) -> tuple[Field, ...]:
    """One claim a field: each with a limb and a reason of its own, never a blanket."""
    made: list[Field] = []
    for field in fields:
        claim = f"claim_{field.name}"
        made.append(
            Field(claim, f"Is this confidential: {field.label}", "choice", choices=LIMBS, required=field.required)
        )
        made.append(
            Field(
                f"{claim}_reason",
                f"Reason: {field.label}",
                "long",
                required=when(
                    claim,
                    "commercial",
                    "private",
                    "public_interest",
                    words="Needed if you claim confidentiality for it",
                ),
                max_length=2000,
            )
        )
    made.append(
        Field(
            "non_confidential_summary",
            "Non-confidential version",
            "long",
            hint="What others may be shown: the same facts, with confidential figures left out or given as a range",
            max_length=8000,
        )
    )
    return tuple(made)
