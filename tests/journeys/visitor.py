"""Somebody at a browser. Every page that he or she reaches is looked at: axe, the console, the width."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from django.conf import settings
from django.test import Client
from django.urls import resolve, reverse

# A refused form and a page that says no are answers: the console's line about their status is no fault of the page.
_EXPECTED = tuple(f"the server responded with a status of {code}" for code in (400, 403, 404, 409))


def axe(page: Any) -> None:
    """Raise AssertionError with what axe finds wrong on the page."""
    page.evaluate(AXE_SCRIPT)
    # Only what is wrong comes back: all that is right is many times as long.
    wrong = page.evaluate("axe.run({resultTypes: ['violations']}).then(found => found.violations)")
    assert not wrong, f"{page.url}\n{AxeResults({'violations': wrong}).generate_report()}"


# How much wider than the window the page is with everything unfolded.
WIDER = """() => {
    const folded = [...document.querySelectorAll("details:not([open])")]
    folded.forEach((one) => { one.open = true })
    const wider = document.documentElement.scrollWidth - document.documentElement.clientWidth
    folded.forEach((one) => { one.open = false })
    return wider
}"""


class Visitor:
    """One person, one browser context. `status` is that of the last page."""

    def __init__(self, page: Any, base: str, *, scripts: bool = True) -> None:
        self.page = page
        self.base = base
        self.scripts = scripts
        self.status = 0
        self.visited: set[str] = set()
        self.problems: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))

    def _hear(self, message: Any) -> None:
        if message.type == "error" and not any(text in message.text for text in _EXPECTED):
            self.problems.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    # --- Coming in -------------------------------------------------------------------------------------------------
    def is_already(self, user: Any) -> None:
        """Signed in beforehand, where signing in is not what the journey is about. None: the public again."""
        self.page.context.clear_cookies()
        if user is not None:
            client = Client()
            client.force_login(user)
            name = settings.SESSION_COOKIE_NAME
            self.page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": self.base}])

    def sign_in(self, email: str, password: str) -> None:
        """On the page, as people do."""
        if urlsplit(self.page.url).path != reverse("account_login"):
            self.go("account_login")
        self.fill({"login": email, "password": password})
        self.press("Sign in")

    # --- Going somewhere -------------------------------------------------------------------------------------------
    def go(self, name: str, *args: Any, query: str = "") -> None:
        """Type an address: the name of one in urls.py, or a path."""
        path = name if name.startswith("/") else reverse(name, args=args)
        response = self.page.goto(f"{self.base}{path}{query}")
        self._arrived(response)

    def follow(self, text: str, *, within: str = "body", nth: int = 0) -> None:
        """Click a link by its words."""
        self._click(self.page.locator(within).get_by_role("link", name=text).nth(nth))

    def press(self, text: str, *, within: str = "body", nth: int = 0, exact: bool = True) -> None:
        """Click a button, or a link that looks like one, by its words."""
        self._click(self.page.locator(within).get_by_role("button", name=text, exact=exact).nth(nth))

    def _click(self, target: Any) -> None:
        with self.page.expect_navigation() as going:
            target.click()
        self._arrived(going.value)

    def _arrived(self, response: Any) -> None:
        self.status = response.status if response is not None else 200
        self.look()

    def look(self) -> None:
        """What holds on every page: a silent console, nothing wider than the window, folded or not, nothing for axe."""
        self.visited.add(str(resolve(urlsplit(self.page.url).path).url_name))
        assert self.problems == [], self.page.url
        wider = self.page.evaluate(WIDER)
        assert wider <= 0, f"{self.page.url} is {wider} px wider than the window"
        if self.scripts:
            axe(self.page)

    # --- Reading ---------------------------------------------------------------------------------------------------
    @property
    def path(self) -> str:
        return urlsplit(self.page.url).path

    @property
    def heading(self) -> str:
        return str(self.page.locator("h1").first.inner_text())

    @property
    def text(self) -> str:
        """The words of the page's main part, on one line."""
        return " ".join(self.page.locator("main").inner_text().split())

    def reads(self, *words: str) -> None:
        """Fail unless the page says all of this."""
        text = self.text
        missing = [word for word in words if word not in text]
        assert not missing, f"{self.page.url} does not say {missing}:\n{text[:3000]}"

    def reads_no(self, *words: str) -> None:
        """Fail if the page says any of this."""
        found = [word for word in words if word in self.text]
        assert not found, f"{self.page.url} says {found}"

    def focused(self) -> str:
        """The id of what has the focus, or its tag."""
        return str(self.page.evaluate("document.activeElement.id || document.activeElement.tagName"))

    def errors(self) -> list[str]:
        """The lines of the error summary."""
        return [str(t) for t in self.page.locator(".govuk-error-summary__list li").all_inner_texts()]

    # --- Writing ---------------------------------------------------------------------------------------------------
    def fill(self, answers: Mapping[str, Any]) -> None:
        """Answer the questions that are in sight, by the names of their controls, in the order given."""
        for name, value in answers.items():
            if value is not None and value != "" and value != []:
                self._answer(name, value)

    def _answer(self, name: str, value: Any) -> None:
        if isinstance(value, date):
            for part, text in (("day", value.day), ("month", value.month), ("year", value.year)):
                self._type(f"{name}_{part}", str(text))
        elif isinstance(value, Path):
            self.page.locator(f'input[type=file][name="{name}"]').set_input_files(value)
        else:
            for one in value if isinstance(value, list) else [value]:
                self._type(name, str(one))

    def _type(self, name: str, text: str) -> None:
        box = self.page.locator(f'[name="{name}"]:visible')
        if box.count() == 0:
            return  # a question that other answers do not ask
        match box.first.evaluate("e => e.type"):
            case "radio" | "checkbox":
                chosen = box.and_(self.page.locator(f'[value="{text}"]')) if box.count() > 1 or text != "on" else box
                chosen.check()
            case "select-one":
                box.select_option(text)
            case _:
                box.fill(text)
