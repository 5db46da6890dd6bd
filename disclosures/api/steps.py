"""What is done to one filing: saved, submitted, taken back by its filer; reviewed by the ministry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rest_framework import serializers

from accounts.api.endpoints import VerbOn, described
from disclosures import actions as act
from disclosures.api.filing import described_body
from disclosures.api.reading import DeclaredFilingSerializer, seen
from disclosures.catalogue import SCHEMAS
from disclosures.models import Filing
from disclosures.shape import read
from ledger.time import now
from web.api import (
    GoneSerializer,
    Input,
    Problem,
    Text,
)


class SubmitInput(Input):
    standing_declaration = Text(max_length=24, help_text="The declaration of a named person, made in the browser")


class SaveInput(Input):
    content = serializers.JSONField()


class ReasonInput(Input):
    reason = Text(max_length=4000)


class ReasonsInput(Input):
    reasons = serializers.DictField(child=Text(max_length=4000), help_text="By the key of the section")


class _Step(VerbOn):
    """One verb on one filing."""

    kind: ClassVar[str]
    answer = DeclaredFilingSerializer

    def seen(self) -> Any:
        return seen(self.request, self.kind)

    def show(self, result: Filing) -> Any:
        if result.pk is None:
            return {"reference": result.reference, "state": "discarded"}
        return super().show(result)


class _Amend(_Step):
    """A verb that makes a filing of its own."""

    status = 201

    def headers_of(self, shown: Any) -> dict[str, str]:
        return {**super().headers_of(shown), "Location": f"/api/v1/{self.kind}s/{shown['reference']}/"}


def submit(pk: int, **data: Any) -> Filing:
    """Hand a draft in under a standing declaration, received now."""
    return act.submit_standing(pk, received_at=now(), **data)


def save(kind: str) -> Callable[..., Filing]:
    """How the whole content of one kind of filing is kept, read strictly."""

    def save(pk: int, *, by: Any, content: Any) -> Filing:
        kept, wrong = read(SCHEMAS[kind], content)
        if wrong:
            raise Problem(400, "Nothing was saved.", errors={f"content/{p}".rstrip("/"): m for p, m in wrong.items()})
        return act.save_content(pk, by=by, content=kept)

    return save


def checked_sections(kind: str, do: Callable[..., Filing]) -> Callable[..., Filing]:
    """An action that takes reasons by section, for sections that there are."""
    keys = {s.key for s in SCHEMAS[kind].sections}

    def run(pk: int, *, by: Any, reasons: dict[str, str]) -> Filing:
        strange = {
            f"reasons/{key}": f"There is no such section; there are {', '.join(sorted(keys))}."
            for key in reasons
            if key not in keys
        }
        if strange:
            raise Problem(400, errors=strange)
        return do(pk, by=by, reasons=reasons)

    return run


def step(
    kind: str, name: str, scope: str, body: type[Input], do: Callable[..., Filing], summary: str, example: Any
) -> Any:
    """The view of one verb on one kind of filing, described; `example` is a body that is accepted as it stands."""
    view = type(
        f"{name}{kind.title()}",
        (_Amend if name == "Amend" else _Step,),
        {
            "kind": kind,
            "input": body,
            "do": staticmethod(do),
            "scopes": {"POST": f"{kind}s:{scope}"},
            "__doc__": do.__doc__,
        },
    )
    more: dict[str, Any] = {}
    if body is SaveInput:
        more["request"] = described_body(kind, standing=False)
    answer = GoneSerializer if name == "Discard" else DeclaredFilingSerializer
    return described(view, tag=f"{kind}s", summary=summary, answer=answer, example=example, **more)
