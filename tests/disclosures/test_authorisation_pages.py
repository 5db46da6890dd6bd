"""Authorisations on their pages: typed, refused with what was typed kept, amended, answered."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from disclosures.models import Authorisation, AuthorisationVersion
from tests.cast import signed_in
from tests.disclosures.people import filled_in
from tests.disclosures.permissions import HARRIER, Sides, confirmed, content, proposed, sides


@pytest.fixture
def s(db: None) -> Sides:
    return sides()


def form_of(client: Any, name: str, *args: Any, wanted: str = "reason") -> dict[str, Any]:
    return filled_in(client.get(reverse(name, args=args)).content.decode(), wanted)


def typed(**over: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name, answer in content().items():
        if name in {"starts_on", "ends_on"}:
            year, month, day = answer.split("-")
            said |= {f"{name}_day": day, f"{name}_month": month, f"{name}_year": year}
        else:
            said[name] = "\r\n".join(answer) if isinstance(answer, list) and not name.startswith("tech") else answer
    return {"grantee": HARRIER, **said, **over}


def test_page_registers_what_was_typed(s: Sides) -> None:
    answer = signed_in(s.grantor).post(reverse("authorisation_new"), typed(hours_from="8pm"))
    assert answer.status_code == 302, answer.content.decode()
    found = Authorisation.objects.get()
    assert answer.url == reverse("authorisation", args=[found.reference])  # type: ignore[attr-defined]
    assert found.latest.content == content()


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"accounts": "hk1:5e0c\r\n\r\ntwo words"}, "Accounts, line 3: this must not have a space in it"),
        ({"accounts": "\r\n\r\ntwo words"}, "Accounts, line 3: this must not have a space in it"),
        ({"accounts": "x" * 201}, "Accounts, line 1: this must have 200 characters or fewer"),
        ({"accounts": "a\u200bb"}, "Accounts, line 1: this holds a character that cannot be printed"),
        ({"accounts": "\r\n".join(str(n) for n in range(10_001))}, "10,000 lines or fewer; there are 10,001"),
        ({"hours_from": "25:00"}, "must be a time such as 16:30"),
        ({"grantee": "Nobody Ltd"}, "No verified organisation has exactly this name"),
        ({"ends_on_year": "2026"}, "The last day must be on or after the first day"),
        ({"kept_days": ""}, "Enter an answer: days for which they may be kept"),
        ({"max_tokens": "many"}, "must be a whole number"),
    ],
)
def test_page_says_what_is_wrong_and_keeps_what_was_typed(s: Sides, over: dict[str, str], words: str) -> None:
    answer = signed_in(s.grantor).post(reverse("authorisation_new"), typed(**over))
    page = answer.content.decode()
    assert answer.status_code == 400
    assert words in page
    assert "Duty officer, 020 7946 0018" in page
    assert not Authorisation.objects.exists()


def test_page_takes_ten_thousand_accounts_and_shows_them(s: Sides) -> None:
    many = "\r\n".join(f"hk1:{n:064x}" for n in range(10_000))
    answer = signed_in(s.grantor).post(reverse("authorisation_new"), typed(accounts=many))
    assert answer.status_code == 302
    page = signed_in(s.grantee).get(answer.url).content.decode()  # type: ignore[attr-defined]
    assert "10,000 lines" in page
    assert f"hk1:{9999:064x}" in page


def test_amendment_page_starts_from_what_counts_and_shows_what_changes(s: Sides) -> None:
    found = confirmed(s)
    client = signed_in(s.grantor)
    data = form_of(client, "authorisation_amend", found.reference, wanted="change")
    assert data["accounts"] == ["hk1:5e0c\r\nhk1:91aa"]
    data |= {"change": "A third account.", "accounts": "hk1:5e0c\r\nhk1:d07f", "max_requests": "250,000"}
    assert client.post(reverse("authorisation_amend", args=[found.reference]), data).status_code == 302
    page = signed_in(s.grantee).get(reverse("authorisation", args=[found.reference])).content.decode()
    for words in ("A third account.", "Added:<br>hk1:d07f", "Removed:<br>hk1:91aa", "250,000", "200,000"):
        assert words in page
    assert AuthorisationVersion.objects.get(number=2).content == content(
        accounts=["hk1:5e0c", "hk1:d07f"], max_requests=250_000
    )


def test_pages_confirm_refuse_withdraw_and_revoke(s: Sides) -> None:
    theirs, ours = signed_in(s.grantee), signed_in(s.grantor)
    found = proposed(s)
    data = form_of(theirs, "authorisation_confirm", found.reference, wanted="capacity")
    assert data["version"] == ["1"]
    url = reverse("authorisation_confirm", args=[found.reference])
    assert theirs.post(url, data | {"capacity": "Lead"}).status_code == 400
    assert theirs.post(url, data | {"capacity": "Lead", "agree": "on"}).status_code == 302
    assert theirs.post(url, data | {"capacity": "Lead", "agree": "on"}).status_code == 409
    data = form_of(ours, "authorisation_revoke", found.reference)
    past = {"effective_at_day": "1", "effective_at_month": "1", "effective_at_year": "2026", "effective_at_time": "9am"}
    url = reverse("authorisation_revoke", args=[found.reference])
    assert "cannot be revoked from an instant" in ours.post(url, data | past | {"reason": "x"}).content.decode()
    assert ours.post(url, data | {"reason": "A leak."}).status_code == 302
    for client, verb, state in ((theirs, "refuse", "refused"), (ours, "withdraw", "withdrawn")):
        found = proposed(s)
        data = form_of(client, f"authorisation_{verb}", found.reference)
        assert (
            client.post(reverse(f"authorisation_{verb}", args=[found.reference]), data | {"reason": "x"}).status_code
            == 302
        )
        found.refresh_from_db()
        assert found.state == state
