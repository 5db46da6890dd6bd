"""What every test stands on: a real PostgreSQL as the role `app`, and no excuse for a skipped browser test in CI."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import database

# A slow machine is not a failure: speed is measured in `make bench`.
hypothesis.settings.register_profile("candour", deadline=None)
hypothesis.settings.load_profile("candour")

_skipped_browser_tests: list[str] = []
_figures: list[str] = []


# --- The server: started before Django reads its settings, stopped at the end whatever that end is ------------------
def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped by make or CI: clean up as for Ctrl-C
        server = database.TestServer()
        config.add_cleanup(server.stop)
        server.start()
    database.own_folder(_worker(config))
    # pytest-django sets Django up only once somebody has read the settings, and they can be read only now.
    from django.conf import settings

    assert settings.MODE == "test"


def _worker(config: pytest.Config) -> str:
    return getattr(config, "workerinput", {}).get("workerid", "main")


# --- The database ---------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, django_test_environment: None, django_db_blocker: Any
) -> Iterator[None]:
    """pytest-django's fixture: the database is made by owner, the connection stays app's."""
    from django.conf import settings
    from django.db import connection, connections
    from django.test import TransactionTestCase

    name = database.create_database(_worker(request.config))
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    baseline = database.Baseline(os.environ["DATABASE_OWNER_URL"])
    with pytest.MonkeyPatch.context() as patch:
        # Django would flush as app, who may not truncate, and the ledger's triggers would refuse.
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: baseline.restore())
        yield
    baseline.close()
    with django_db_blocker.unblock():
        connections.close_all()


@pytest.fixture
def process_environment(transactional_db: None) -> dict[str, str]:
    """The environment for a subprocess (a worker, a server, a command) that is to see this test's database."""
    return dict(os.environ)


@pytest.fixture
def broker_url(request: pytest.FixtureRequest) -> str:
    """A pgmq broker that only this test uses."""
    name = f"broker_{_worker(request.config)}_{abs(hash(request.node.nodeid))}"
    return database.create_broker(name)


@pytest.fixture
def concurrently(transactional_db: None) -> Callable[..., list[Any]]:
    """Run functions at once, each in a thread with a connection of its own.

    Returns, in order, what each returned or the exception it raised:
    `concurrently(lambda: answer(...), lambda: sweep())`. A Barrier or Event in the functions makes a race exact.
    """
    from django.db import connections

    def run(*functions: Callable[[], Any], timeout: float = 60) -> list[Any]:
        results: list[Any] = [None] * len(functions)

        def one(place: int) -> None:
            try:
                results[place] = functions[place]()
            except BaseException as error:  # handed back to the test, which says what it expected
                results[place] = error
            finally:
                connections.close_all()

        threads = [threading.Thread(target=one, args=(place,), daemon=True) for place in range(len(functions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout)
        assert not any(thread.is_alive() for thread in threads), f"still waiting after {timeout} s: a deadlock?"
        return results

    return run


# --- Files -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def storage(settings: Any, tmp_path: Path) -> Path:
    """The folder of the evidence storage, this test's own."""
    folder, temporary = tmp_path / "evidence", tmp_path / "tmp"
    folder.mkdir(mode=0o700)
    temporary.mkdir(mode=0o700)
    default = {**settings.STORAGES["default"]}
    default["OPTIONS"] = {**default["OPTIONS"], "location": str(folder)}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    settings.FILE_UPLOAD_TEMP_DIR = str(temporary)
    return folder


# --- What a run ends with: its figures, and the browser tests that did not run (in CI that is a failure) ----------------
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and "browser" in report.keywords and not hasattr(report, "wasxfail"):
        _skipped_browser_tests.append(report.nodeid)
    if report.when == "teardown":
        _figures.extend(str(value) for name, value in report.user_properties if name == "figure")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped_browser_tests and os.environ.get("CI") and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _figures:
        terminalreporter.section("figures")
        for line in _figures:
            terminalreporter.line(line)
    if _skipped_browser_tests and os.environ.get("CI"):
        terminalreporter.section("browser tests skipped in CI: this is a failure", red=True)
        for nodeid in _skipped_browser_tests:
            terminalreporter.line(nodeid)
