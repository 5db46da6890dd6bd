"""The first page of the competition authority."""

from __future__ import annotations

from typing import Any

from django.db.models import F
from django.urls import reverse

from accounts.models import User
from cases.models import LateAddition, Referral
from config.views.blocks import Block, Row, block, first


def blocks(user: User) -> list[Block]:
    """Unacknowledged first, oldest first; then what came back, what was added, what was taken on."""
    seen = Referral.objects.visible_to(user).select_related("case")
    answered = seen.filter(state="queued", round__gt=1).order_by("queued_at")
    additions = (
        LateAddition.objects.filter(referral__in=seen, referral__state__in=["queued", "acknowledged", "accepted"])
        .select_related("referral__case")
        .order_by("-at")
    )
    return [
        _rows("To acknowledge", "Nothing waits to be acknowledged.", seen.filter(state="queued").order_by("queued_at")),
        _rows("Acknowledged, to decide", "Nothing waits for a decision.", seen.filter(state="acknowledged")),
        _rows("Returned, and now here again", "Nothing that you returned has come back.", answered),
        block(
            "Late additions",
            "Nothing was added after referral.",
            [
                Row(
                    f"{a.referral.reference} of {a.referral.case.reference}",
                    reverse("referral", args=[a.referral.reference]),
                    "An answer was added after the referral.",
                )
                for a in first(additions)
            ],
        ),
        _rows("Accepted", "Nothing has been accepted yet.", seen.filter(state="accepted").order_by(F("pk").desc())),
    ]


def _rows(title: str, empty: str, referrals: Any) -> Block:
    rows = [
        Row(
            f"{r.reference} of {r.case.reference}",
            reverse("referral", args=[r.reference]),
            r.sent["title"],
            r.referred_at,
            "Referred",
        )
        for r in first(referrals)
    ]
    return block(title, empty, rows, more=reverse("referrals"))
