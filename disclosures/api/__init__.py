"""Filings and authorisations for machines: filed one or a thousand at a time, registered, and followed for ever."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view

from accounts.api.endpoints import described
from disclosures import actions as act
from disclosures.api.authorisations import AUTHORISATION
from disclosures.api.filing import DRY_RUN, Bulk, BulkSerializer, FiledSerializer, Filings, described_body, listed_body
from disclosures.api.reading import OneFiling, OneVersion
from disclosures.api.steps import (
    ReasonInput,
    ReasonsInput,
    SaveInput,
    SubmitInput,
    checked_sections,
    save,
    step,
    submit,
)
from disclosures.catalogue import SCHEMAS
from disclosures.examples import EXAMPLES
from web.api import Nothing

__all__ = ["ALLEGATION", "AUTHORISATION", "DISCLOSURE"]


def _views(kind: str) -> dict[str, Any]:
    tag, example = f"{kind}s", {"content": EXAMPLES[kind]}
    # A reference belongs to one filing: the second example is of another.
    unnamed = {name: answer for name, answer in EXAMPLES[kind].items() if name != "filer_reference"}
    read_scope, write_scope = {"GET": f"{tag}:read"}, {"POST": f"{tag}:write"}
    listed = type(f"{kind.title()}s", (Filings,), {"kind": kind, "scopes": {**read_scope, **write_scope}})
    listed.__doc__ = f"Your own {tag}, drafts included; for the ministry all that were handed in."
    one = type(f"One{kind.title()}", (OneFiling,), {"kind": kind, "scopes": read_scope})
    one.__doc__ = (
        "The version that was declared last, with its hash, and what was said of it. Fields that are confidential are "
        f"left out, but for the filer and the ministry with the scope {tag}:confidential."
    )
    version = type(f"{kind.title()}Version", (OneVersion,), {"kind": kind, "scopes": read_scope})
    version.__doc__ = OneVersion.__doc__
    bulk = type(f"Bulk{kind.title()}", (Bulk,), {"kind": kind, "scopes": write_scope})
    bulk.__doc__ = "An outcome for each, in their order; what is wrong with one does not stop the others."
    listed = described(
        listed,
        tag=tag,
        summary=f"File one {kind}",
        answer=FiledSerializer,
        example=example,
        creates=True,
        request=described_body(kind),
        parameters=[DRY_RUN],
    )
    return {
        "list": extend_schema_view(get=extend_schema(tags=[tag], summary=f"{kind.title()}s, newest first"))(listed),
        "one": extend_schema_view(get=extend_schema(tags=[tag], summary=f"One {kind}"))(one),
        "version": extend_schema_view(get=extend_schema(tags=[tag], summary=f"One version of one {kind}"))(version),
        "bulk": described(
            bulk,
            tag=tag,
            summary=f"File up to a thousand {tag}",
            answer=BulkSerializer,
            example=[example],
            creates=True,
            request=listed_body(kind),
            parameters=[DRY_RUN],
        ),
        "save": step(
            kind, "Save", "write", SaveInput, save(kind), "Keep a draft’s whole content", {"content": unnamed}
        ),
        "submit": step(
            kind,
            "Submit",
            "write",
            SubmitInput,
            submit,
            "Hand a draft in under a standing declaration",
            {"standing_declaration": "S-2026-000001"},
        ),
        "discard": step(kind, "Discard", "write", Nothing, act.discard, "Delete a draft", {}),
        "withdraw": step(
            kind, "Withdraw", "write", ReasonInput, act.withdraw, "Take it back", {"reason": "Filed in error."}
        ),
    }


def _reasons(kind: str) -> dict[str, Any]:
    return {"reasons": {SCHEMAS[kind].sections[1].key: "Say which models."}}


_NOT_ENOUGH = {"reason": "It names no activity."}
DISCLOSURE = {
    **_views("disclosure"),
    "amend": step("disclosure", "Amend", "write", Nothing, act.amend, "Begin an amendment: a new draft", {}),
    "accept": step("disclosure", "Accept", "review", Nothing, act.accept, "Accept it", {}),
    "return": step(
        "disclosure",
        "Return",
        "review",
        ReasonsInput,
        checked_sections("disclosure", act.return_),
        "Return it with reasons by section",
        _reasons("disclosure"),
    ),
}
ALLEGATION = {
    **_views("allegation"),
    "acknowledge": step("allegation", "Acknowledge", "review", Nothing, act.acknowledge, "Acknowledge it", {}),
    "admit": step("allegation", "Admit", "review", Nothing, act.admit, "Admit it", {}),
    "want-more": step(
        "allegation",
        "WantMore",
        "review",
        ReasonsInput,
        checked_sections("allegation", act.want_more),
        "Ask for more, by section",
        _reasons("allegation"),
    ),
    "reject": step("allegation", "Reject", "review", ReasonInput, act.reject, "Reject it", _NOT_ENOUGH),
}
