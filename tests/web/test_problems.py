"""How the site says no, and the headers on everything it says."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.test import RequestFactory

from web import problems
from web.middleware import HEADERS, headers
from web.middleware import problems as problems_middleware
from web.problems import Conflict, Invalid

JSON = "application/json"


@pytest.fixture(autouse=True)
def no_context_processors(settings: object) -> None:
    """These pages must stand without what the composition root adds to every page."""
    settings.TEMPLATES = [  # type: ignore[attr-defined]
        {**settings.TEMPLATES[0], "OPTIONS": {"context_processors": ["django.template.context_processors.request"]}}  # type: ignore[attr-defined]
    ]


def raised(error: Exception, *, accept: str = "text/html", path: str = "/x/", **extra: str) -> HttpResponseBase | None:
    """What the middleware answers when a view raises `error`."""
    request = RequestFactory(headers={"Accept": accept, **extra}).post(path)
    middleware = problems_middleware(lambda request: HttpResponse())
    handle: Callable[[HttpRequest, Exception], HttpResponseBase | None] = middleware.process_exception  # type: ignore[attr-defined]
    return handle(request, error)


def body(response: HttpResponseBase | None) -> str:
    assert isinstance(response, HttpResponse)
    return response.content.decode()


def test_conflict_says_what_happened_meanwhile_and_the_way_back() -> None:
    error = Conflict("It was referred <b>.", latest="Referred at 4pm.", back="/cases/C-1/")
    response = raised(error)
    assert response is not None
    assert response.status_code == 409
    page = body(response)
    assert "It was referred &lt;b&gt;." in page
    assert "What happened meanwhile" in page
    assert "Referred at 4pm." in page
    assert 'href="/cases/C-1/"' in page


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        ("http://testserver/cases/", "http://testserver/cases/"),
        ("https://evil.example/", "/"),
        ("javascript:x", "/"),
        ("http://[", "/"),
    ],
)
def test_conflict_leads_back_only_within_the_site(referer: str, back: str) -> None:
    assert f'<a class="govuk-link" href="{back}">' in body(raised(Conflict("No"), Referer=referer))


def test_api_gets_problem_details() -> None:
    response = raised(Conflict("No longer open.", latest="Resolved."), path="/api/v1/cases/1/resolve")
    assert response is not None
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(body(response)) == {
        "type": "http://localhost:8000/problems/conflict/",
        "title": "Conflict",
        "status": 409,
        "detail": "No longer open.",
        "latest": "Resolved.",
    }
    told = json.loads(body(raised(Invalid({"name": ["Too long"]}, nation="Choose one"), accept=JSON)))
    assert told["status"] == 400
    assert told["errors"] == [
        {"pointer": "#/name", "detail": "Too long"},
        {"pointer": "#/nation", "detail": "Choose one"},
    ]


def test_invalid_that_no_form_caught_is_a_400_page() -> None:
    response = raised(Invalid({"": ["Too much <b>"]}))
    assert response is not None
    assert response.status_code == 400
    assert "Too much &lt;b&gt;" in body(response)


def test_missing_rows_are_404_and_other_errors_go_on() -> None:
    response = raised(ObjectDoesNotExist("Case matching query does not exist."))
    assert response is not None
    assert response.status_code == 404
    assert "matching query" not in body(response)
    assert raised(PermissionDenied()) is None
    assert raised(RuntimeError()) is None


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda request: problems.bad_request(request, None), 400),
        (lambda request: problems.forbidden(request, PermissionDenied("Only supervisors may.")), 403),
        (lambda request: problems.not_found(request, None), 404),
        (lambda request: problems.csrf_failure(request, "CSRF token missing."), 403),
        (lambda request: problems.server_error(request), 500),
    ],
)
def test_handlers_answer_people_and_machines(answer: Callable[[HttpRequest], HttpResponse], status: int) -> None:
    page = answer(RequestFactory(headers={"Accept": "text/html,*/*;q=0.8"}).get("/x/"))
    assert page.status_code == status
    text = page.content.decode()
    assert "<h1" in text
    assert "token" not in text.lower()
    told = answer(RequestFactory(headers={"Accept": JSON}).get("/x/"))
    assert told.status_code == status
    assert json.loads(told.content)["status"] == status


def test_forbidden_gives_the_reason_the_action_wrote() -> None:
    assert (
        "Only supervisors may."
        in problems.forbidden(RequestFactory().get("/"), PermissionDenied("Only supervisors may.")).content.decode()
    )


def test_bad_host_still_gets_a_page() -> None:
    request = RequestFactory(headers={"Host": "evil example"}).get("/")
    assert problems.bad_request(request).status_code == 400
    assert problems.server_error(request).status_code == 500


def test_wrong_method_gets_a_page_that_keeps_allow() -> None:
    middleware = problems_middleware(lambda request: HttpResponseNotAllowed(["POST"]))
    response = middleware(RequestFactory(headers={"Accept": "text/html"}).get("/x/"))
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert "<h1" in body(response)


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/cases/%00/", "application/x-www-form-urlencoded", 404),
        ("/cases/new/?from=%00", "application/x-www-form-urlencoded", 400),
        ("/x/", "multipart/form-data; boundary=x; charset=idna", 400),
        ("/x/", "multipart/form-data; boundary=x; charset=zlib", 400),
    ],
)
def test_what_nothing_behind_could_read_goes_no_further(path: str, form: str, status: int) -> None:
    reached: list[HttpRequest] = []
    middleware = problems_middleware(lambda request: reached.append(request) or HttpResponse())  # type: ignore[func-returns-value]
    response = middleware(
        RequestFactory(headers={"Accept": "text/html"}).generic("POST", path, b"x", content_type=form)
    )
    assert (response.status_code, reached) == (status, [])
    plain = RequestFactory().generic("POST", "/x/", b"", content_type="multipart/form-data; boundary=x; charset=UTF-8")
    assert middleware(plain).status_code == 200


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_headers_are_on_every_response(status: int) -> None:
    response = headers(lambda request: HttpResponse(status=status))(RequestFactory().get("/x/"))
    for name, value in HEADERS.items():
        assert response.headers[name] == value
    assert response.headers["Cache-Control"] == "no-store"


def test_headers_leave_caching_to_static_files_and_to_views_that_decide() -> None:
    static = headers(lambda request: HttpResponse())(RequestFactory().get("/static/candour.css"))
    assert "Cache-Control" not in static.headers
    assert static.headers["X-Content-Type-Options"] == "nosniff"
    own = headers(lambda request: HttpResponse(headers={"Cache-Control": "max-age=60"}))(RequestFactory().get("/"))
    assert own.headers["Cache-Control"] == "max-age=60"


def test_no_template_has_inline_script_or_style(settings: object) -> None:
    for path in Path(settings.BASE_DIR, "templates").rglob("*.html"):  # type: ignore[attr-defined]
        text = path.read_text("utf-8")
        assert " style=" not in text, path
        assert "<style" not in text, path
        for piece in text.split("<script")[1:]:
            opening = piece.split(">", 1)[0]
            assert " src=" in opening or 'type="application/json"' in opening, path
