"""Whatever is sent to the API, an answer is what comes back: never a 500, and never a batch lost for one line of it."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.actions import make_client
from accounts.models import User
from accounts.rules import SCOPES_OF_KIND
from disclosures.models import Filing
from ledger.time import now
from tests import cast
from tests.accounts.test_clients import bearer
from tests.cases.world import notice_to, open_case, world
from tests.disclosures.test_api import item

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/disclosures/"
JSON = "application/json"


def program(who: User, by: User | None = None) -> Browser:
    scopes = SCOPES_OF_KIND[who.organisation.kind]
    made: Browser = bearer(*make_client(who.organisation_id, by=by or who, name="P", scopes=scopes))
    made.raise_request_exception = False
    return made


@pytest.fixture
def p(settings: Any) -> Browser:
    settings.SECOND_FACTOR_REQUIRED = False
    return program(cast.person(cast.organisation("Kestrel Ltd", contacts=2), "company_admin"))


BODIES = {
    "deep": b"[" * 200_000,
    "deep_answer": b'{"content": {"narrative": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "nan": b'{"content": {"requests": NaN}}',
    "digits": b'{"content": {"requests": ' + b"9" * 10000 + b"}}",
    "float": b'{"content": {"requests": {"precision": "exact", "value": 1e400}}}',
    "declaration_nul": json.dumps({**item(), "standing_declaration": "\0"}).encode(),
    "declaration_surrogate": json.dumps({**item(), "standing_declaration": "\ud800"}).encode(),
    "evidence_nul": json.dumps(item(daily_quantities=["\0"])).encode(),
    "evidence_surrogate": json.dumps(item(daily_quantities=["\ud800"])).encode(),
    "name_surrogate": json.dumps({"content": {"\ud800": 1}}).encode(),
    "outside_surrogate": json.dumps({"content": {}, "\ud800": 1}).encode(),
    "part_surrogate": json.dumps(item(requests={"precision": "exact", "\ud800": 1})).encode(),
    "twice": b'{"content": {}, "content": {}}',
    "mark": b"\xef\xbb\xbf{}",
    "bytes": b'{"content": "\xff"}',
    "digits_elsewhere": json.dumps(item(discovered_at="２０２６-０７-３０")).encode(),
}


@pytest.mark.parametrize("name", BODIES)
def test_body_is_refused_and_not_choked_on(p: Browser, name: str) -> None:
    draft = p.post(URL, {"content": {}}, JSON).json()["reference"]
    body = BODIES[name]
    for url, sent, kind in (
        (URL, body, JSON),
        (f"{URL}{draft}/save/", body, JSON),
        (f"{URL}bulk/", b"[" + body + b"]", JSON),
    ):
        answer = p.post(url, sent, kind, headers={"if-match": "*"})
        refused = answer.status_code == 400 or answer.json().get("results", [{}])[0].get("outcome") == "refused"
        assert refused, f"{url} {answer.status_code} {answer.content[:300]!r}"
    lines = b"\n".join([json.dumps(item("L-1")).encode(), body, json.dumps(item("L-2")).encode()])
    outcomes = [r["outcome"] for r in p.post(f"{URL}bulk/", lines, "application/x-ndjson").json()["results"]]
    assert outcomes == ["created", "refused", "created"], "one line does not take the others with it"


@pytest.mark.parametrize(
    "position", ["p=abc", "p=%00", "p=-1&r=1", "p=1.5", "p=", "p=" + "9" * 5000, "p=%ED%A0%80", "\0"]
)
@pytest.mark.parametrize("noun", ["disclosures", "notices", "decisions", "evidence", "extensions"])
def test_cursor_that_no_page_gave_out_is_not_found(p: Browser, position: str, noun: str) -> None:
    cursor = base64.b64encode(position.encode()).decode()
    assert p.get(f"/api/v1/{noun}/", {"cursor": cursor}).status_code in {200, 404}


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "2262-01-01"])
def test_day_that_no_calendar_has_is_refused(settings: Any, day: str) -> None:
    settings.SECOND_FACTOR_REQUIRED = False
    w = world()
    notice = notice_to(open_case(w, at=now() - timedelta(days=1)), w.respondent)
    body = {"until_day": day, "reasons": "x"}
    for client, verb in ((program(w.respondent), "request-extension"), (program(w.caseworker, w.supervisor), "extend")):
        url = f"/api/v1/notices/{notice.reference}/{verb}/"
        assert client.post(url, body, JSON, headers={"if-match": "*"}).status_code == 400


@pytest.mark.parametrize(
    "name", ["a\0.csv", "é" * 300 + ".csv", "../../x.csv", ".csv", "x." + "c" * 300, "\ud800.csv", "a" * 254 + ".csv"]
)
def test_odd_file_names_are_taken_or_refused(p: Browser, storage: Any, name: str) -> None:
    head = b'--B\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode("utf8", "surrogatepass")
    body = head + b'"\r\n\r\na,b\n1,2\n\r\n--B--\r\n'
    assert p.post("/api/v1/evidence/", body, "multipart/form-data; boundary=B").status_code == 400


@pytest.mark.parametrize(
    "kind",
    [
        "",
        f"{JSON}; charset=utf-16",
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=\xff",
        ";",
        "*/*",
    ],
)
def test_odd_content_types_are_refused(p: Browser, kind: str) -> None:
    for url in (URL, f"{URL}bulk/", "/api/v1/evidence/", "/api/v1/token/"):
        for body in (b'{"content": 7}', b""):
            assert 400 <= p.generic("POST", url, body, content_type=kind).status_code < 500, f"{kind!r} {url}"


@pytest.mark.parametrize("tag", ["", ",", '"', "\xff", "x" * 60000, "W/*"])
def test_odd_tags_match_nothing(p: Browser, tag: str) -> None:
    reference = p.post(URL, {"content": {}}, JSON).json()["reference"]
    answer = p.post(f"{URL}{reference}/discard/", {}, JSON, headers={"if-match": tag})
    assert answer.status_code in {200, 412, 428}
    assert p.get(f"{URL}{reference}/", headers={"if-none-match": tag}).status_code in {200, 404}


def test_what_is_wrong_is_said_fifty_times_and_no_more(p: Browser) -> None:
    strange = {f"name-{n}" + "x" * 1000: 1 for n in range(5000)}
    answer = p.post(f"{URL}bulk/?dry_run=true", [{"content": strange, **strange}], JSON)
    assert len(answer.json()["results"][0]["errors"]) <= 101
    assert len(answer.content) < 50_000
    lines = b"\n".join([b"1"] * 100_000)
    assert p.post(f"{URL}bulk/", lines, "application/x-ndjson").status_code == 400
    assert not Filing.objects.exists()


def test_pointers_are_escaped(p: Browser) -> None:
    refused = p.post(URL, {"content": {"a/b~c": 1}}, JSON).json()
    assert refused["errors"][0]["pointer"] == "#/content/a~1b~0c"
