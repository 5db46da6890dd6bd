"""`make bench`: the sweeps and the queue page with ten thousand and with a million open cases; the API (`--api`);
usage rows that providers send (`--feeds`), usage logs that are read (`--usage`).
`ARGS=--small` is a try of the bench itself.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from bench.measure import p95, say, timed

SIZES = (10_000, 1_000_000)
API_SIZES = (1_000, 1_000_000)
USAGE_SIZES = (5_000_000, 50_000_000)
DUE = 10_000


def main() -> None:
    if "--usage" in sys.argv:
        from bench import usage

        usage.run(USAGE_SIZES if "--small" not in sys.argv else (100_000, 1_000_000))
        return
    from config import embedded

    sizes = (1_000, 20_000) if "--small" in sys.argv else SIZES
    api_sizes = (1_000, 20_000) if "--small" in sys.argv else API_SIZES
    due = 300 if "--small" in sys.argv else DUE
    with tempfile.TemporaryDirectory(prefix="candour-bench-") as folder:
        home = Path(folder)
        (home / "static").mkdir()  # where collectstatic would have put files: WhiteNoise warns without it
        with embedded.Server(home):
            os.environ.update(embedded.environment(home))
            os.environ.update(
                CANDOUR_MODE="test",
                CANDOUR_SECOND_FACTOR="false",
                CANDOUR_URL="http://localhost:8000",
                CANDOUR_HOME=folder,
                DJANGO_SETTINGS_MODULE="config.settings",
            )
            start()
            from bench import api, feeds

            # Each on a database of its own: what one has filled would be the other's small size.
            if "--feeds" in sys.argv:
                feeds.run(4 if "--small" in sys.argv else 20)
            elif "--api" in sys.argv:
                api.run(api_sizes)
            else:
                run(sizes, due)


def start() -> None:
    """The tables, and Django itself."""
    import subprocess

    manage = [sys.executable, "manage.py"]
    owner = {**os.environ, "CANDOUR_DB_ROLE": "owner"}
    subprocess.run([*manage, "migrate", "-v0"], check=True, env=owner)
    subprocess.run([*manage, "createcachetable"], check=True, env=owner)
    import django

    django.setup()


def run(sizes: tuple[int, int], due: int) -> None:
    """Measure everything at both sizes, one after the other on the same database, and print the ratios."""
    from bench import data
    from ledger.time import now

    report: dict[str, list[float]] = {"tick": [], "referrals": [], "plain": [], "page": [], "queries": []}
    there = 0
    for size in sizes:
        say(f"--- {size:,} open cases")
        data.open_cases(size - there, due_at=now() + timedelta(days=30), spread=timedelta(days=14))
        there = size
        data.vacuum()
        report["tick"].append(empty_tick())
        seconds, queries = queue_page()
        report["page"].append(seconds)
        report["queries"].append(queries)
        mine, plain = escalations(due)
        report["referrals"].append(mine)
        report["plain"].append(plain)
    small, large = sizes
    say(f"=== ratios, {large:,} beside {small:,} open cases")
    say(f"empty tick       {report['tick'][1] / report['tick'][0]:.2f} (target: at most 1.5)")
    say(f"cost a referral  {report['referrals'][0] / report['referrals'][1]:.2f} (target: at most 1.3)")
    say(f"queue page p95   {report['page'][1] / report['page'][0]:.2f} (target: at most 1.3)")
    say(f"queue page       {report['queries'][0]:.0f} and {report['queries'][1]:.0f} queries (target: the same)")
    for size, mine, plain in zip(sizes, report["referrals"], report["plain"], strict=True):
        say(f"referrals beside plain SQL at {size:,}: {mine / plain:.2f} (target: at least 0.25)")


def empty_tick() -> float:
    """Median seconds of one run of all sweeps with nothing due."""
    from cases import tasks

    taken = [timed(tasks.run_all) for _ in range(60)][10:]
    say(
        f"empty tick: median {statistics.median(taken) * 1000:.2f} ms, p95 {p95(taken) * 1000:.2f} ms (target: under 5 ms)"
    )
    return statistics.median(taken)


def escalations(count: int) -> tuple[float, float]:
    """Referrals a second through the sweep, and the same rows a second in plain SQL, beside it."""
    from bench import data, plain
    from cases.actions.referrals.making import refer
    from cases.models import Case
    from ledger import sweep
    from ledger.time import now

    data.open_cases(count, due_at=now() - timedelta(minutes=1))
    data.vacuum()
    started = time.perf_counter()
    tally = sweep.run(sweep.Sweep("referrals", Case.objects.due_for_referral, refer), budget_seconds=3600)
    mine = count / (time.perf_counter() - started)
    if tally.acted != count or tally.failed:
        raise SystemExit(f"{tally.acted} of {count} were referred, {tally.failed} failed")
    last = Case.objects.filter(state="referred").latest("pk")
    sample = plain.rows_of(last.pk)
    data.open_cases(count, due_at=now() - timedelta(minutes=1))
    ids = list(Case.objects.filter(state="open", refers_at__lte=now()).values_list("pk", flat=True))
    yardstick = plain.refer_all(os.environ["DATABASE_URL"], ids, sample)
    rows = {table: len(found) for table, found in sample.items()}
    say(f"due escalations: {mine:.0f}/s; the same rows in plain SQL: {yardstick:.0f}/s; rows a case: {rows}")
    return mine, yardstick


def queue_page() -> tuple[float, int]:
    """p95 seconds of the caseworker's queue page, and its queries."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from bench import data

    client = Client()
    client.force_login(data.people()["Ministry"])

    def page(url: str = "/cases/") -> None:
        answer = client.get(url, headers={"host": "localhost"})
        if answer.status_code != 200:
            raise SystemExit(f"{url} answered {answer.status_code}")

    page()
    with CaptureQueriesContext(connection) as queries:
        page()
    count = len(queries)  # the next request empties the log
    taken = [timed(page) for _ in range(60)][10:]
    say(f"queue page: p95 {p95(taken) * 1000:.0f} ms, {count} queries")
    return p95(taken), count


if __name__ == "__main__":
    main()
