"""One chromium for the journeys of a process; every person has a context, so cookies, of his or her own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings

from ledger.time import standing_at

if TYPE_CHECKING:
    # pytest reads this file before Django has settings, so what needs models is imported where it is used.
    from tests.cases.world import World
    from tests.journeys.visitor import Visitor

HERE = Path(__file__).parent
# Parts of the browser's own window that start a process for each person and show nothing here.
UNUSED = [
    *("SpareRendererForSitePerProcess", "PreloadTopChromeWebUI", "WebUIReloadButton", "RenderDocument", "Prerender2"),
    *("OptimizationHints", "MediaRouter", "Translate", "HttpsUpgrades", "PaintHolding"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(UNUSED)}",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Chromium, or a skip that says what is missing."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: `make test` as root installs it on Debian")
    if not (django_settings.BASE_DIR / "static" / "vendor" / "govuk").is_dir():
        pytest.skip("static/vendor is missing: `make static/vendor/.copied` makes it")
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django takes for an asynchronous view.
        patch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        chrome = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield chrome
        chrome.close()


class Clock:
    """The clock of the site and of the test: one process, so the pages follow it."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack

    def stand(self, instant: datetime) -> None:
        """From now on it is `instant`."""
        self.stack.close()
        self.stack.enter_context(standing_at(instant))


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Ten in the morning of a Monday in October 2026, until the journey moves it."""
    from tests.cases.world import MONDAY

    with ExitStack() as stack:
        held = Clock(stack)
        held.stand(MONDAY)
        yield held


@pytest.fixture
def w(transactional_db: None, clock: Clock) -> World:
    """The ministry, the authority and three companies with one person each, all able to sign in."""
    from tests.cases.world import world

    return world()


Enter = Callable[..., "Visitor"]


@pytest.fixture
def enter(request: pytest.FixtureRequest, browser: Any, live_server: Any, clock: Clock) -> Iterator[Enter]:
    """`enter(user)` is somebody at a browser, signed in; `enter()` is the public.

    `width` is that of the window, `javascript=False` turns scripts off. Who visited what is put on the test's report.
    """
    from tests.journeys.visitor import Visitor

    contexts: list[Any] = []
    visitors: list[Visitor] = []

    def come(user: Any = None, *, width: int = 1280, javascript: bool = True) -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            java_script_enabled=javascript,
            accept_downloads=True,
            reduced_motion="reduce",
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        visitor = Visitor(context.new_page(), live_server.url, scripts=javascript)
        visitors.append(visitor)
        if user is not None:
            visitor.is_already(user)
        return visitor

    yield come
    for context in contexts:
        context.close()
    visited = sorted(set().union(*(v.visited for v in visitors)) if visitors else [])
    request.node.user_properties.append(("visited", visited))
