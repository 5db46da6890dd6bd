"""The API under gunicorn with two workers: filing in bulk beside plain DRF, lists as they grow, tokens."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
from django.db import connection

from bench import data
from bench.measure import p95, say, timed

BULK = 1000
logging.getLogger("httpx").setLevel(logging.WARNING)


def run(sizes: tuple[int, int]) -> None:
    """Everything about the API, with its ratios at the end."""
    program = _Program()
    with server() as url:
        api = program.sign_in(url)
        tokens(url, program)
        ours, plain = filing(api, program)
        small, large = (lists(api, program, size) for size in sizes)
    say("=== ratios of the API")
    say(f"bulk filing beside a plain DRF list of the same inserts: {ours / plain:.2f} (target: at least 5)")
    for name in small:
        say(f"{name}, {sizes[1]:,} beside {sizes[0]:,} rows: p95 {large[name] / small[name]:.2f} (target: at most 1.3)")


class _Program:
    """A company's credentials with a standing declaration, made by the real actions."""

    def __init__(self) -> None:
        from accounts.actions import make_client
        from accounts.rules import SCOPES_OF_KIND
        from disclosures.actions import declare_standing
        from ledger.time import local_date, now

        self.admin = data.people()["Heron Ltd"]
        made = make_client(self.admin.organisation_id, by=self.admin, name="bench", scopes=SCOPES_OF_KIND["company"])
        self.client_id, self.secret = made[0].application.client_id, made[1]
        day = local_date(now()) + timedelta(days=30)
        self.standing = declare_standing(by=self.admin, name="x", capacity="y", expires_on=day).reference

    def token(self, url: str) -> str:
        answer = httpx.post(
            f"{url}/api/v1/token/", data={"grant_type": "client_credentials"}, auth=(self.client_id, self.secret)
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def sign_in(self, url: str) -> httpx.Client:
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {self.token(url)}"}, timeout=600)


@contextmanager
def server() -> Iterator[str]:
    """gunicorn with two workers of four threads, as the supervisor starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "config.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    command += [
        "--workers",
        "2",
        "--worker-class",
        "gthread",
        "--threads",
        "4",
        "--timeout",
        "600",
        "--log-level",
        "error",
    ]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "bench.settings", "CANDOUR_LOG_LEVEL": "ERROR"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    url = f"http://localhost:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{url}/api/v1/schema/?format=json", timeout=30)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def tokens(url: str, program: _Program) -> None:
    """Tokens issued a second, by eight at a time."""
    with ThreadPoolExecutor(8) as pool:
        started = time.perf_counter()
        taken = list(pool.map(lambda _: timed(lambda: program.token(url)), range(120)))
        rate = 120 / (time.perf_counter() - started)
    say(f"tokens: {rate:.0f}/s, p95 {p95(taken) * 1000:.0f} ms")


def filing(api: httpx.Client, program: _Program) -> tuple[float, float]:
    """Filings a second in bulk, ours and the yardstick's, turn by turn."""
    from disclosures.examples import EXAMPLES

    number = 0

    def items() -> list[dict[str, Any]]:
        nonlocal number
        number += BULK
        return [{"content": {**EXAMPLES["disclosure"], "filer_reference": f"B-{number + n}"}} for n in range(BULK)]

    def send(path: str, body: list[dict[str, Any]]) -> float:
        def once() -> None:
            answer = api.post(path, json=body)
            if answer.status_code != 200 or (
                "results" in answer.text and {r["outcome"] for r in answer.json()["results"]} != {"created"}
            ):
                raise SystemExit(f"{path} answered {answer.status_code}: {answer.text[:500]}")

        return timed(once)

    ours, plain = [], []
    for _ in range(4):
        declared = [{**item, "standing_declaration": program.standing} for item in items()]
        ours.append(send("/api/v1/disclosures/bulk/", declared))
        plain.append(send("/bench/plain/", items()))
    mine, theirs = BULK / min(ours), BULK / min(plain)
    one = timed(lambda: api.post("/api/v1/disclosures/", json=items()[0]))
    say(
        f"bulk filing: {mine:.0f}/s, {1000 / mine:.2f} ms an item; plain DRF list: {theirs:.0f}/s, {1000 / theirs:.2f} ms; "
        f"one by itself: {one * 1000:.0f} ms"
    )
    return mine, theirs


_FILINGS = """
INSERT INTO disclosures_filing (kind, reference, organisation_id, scheme_id, state, created_by_id, created_at, submitted_at)
SELECT 'disclosure', 'D-2026-' || lpad(nextval('reference_disclosure')::text, 8, '0'), %(org)s, %(scheme)s, 'submitted',
       %(by)s, now(), now()
FROM generate_series(1, %(count)s)
"""


def lists(api: httpx.Client, program: _Program, size: int) -> dict[str, float]:
    """p95 seconds of list pages with `size` rows of each, and their queries, counted in this process."""
    from disclosures.models import Filing, Scheme
    from ledger.time import now

    missing = size - Filing.objects.count()
    values = {"org": program.admin.organisation_id, "by": program.admin.pk, "count": max(0, missing)}
    with connection.cursor() as cursor:
        cursor.execute(_FILINGS, {**values, "scheme": Scheme.objects.current().pk})
    there = _notices()
    data.open_cases(max(0, (size - there) // 2), due_at=now() + timedelta(days=30), spread=timedelta(days=14))
    data.vacuum()
    found = {}
    for name in ("disclosures", "notices", "cases"):
        path = f"/api/v1/{name}/"
        following = api.get(path).json()["next"]
        deep = following.replace(str(api.base_url).rstrip("/"), "")
        for title, address in ((f"first page of {name}", path), (f"second page of {name}", deep)):
            taken = [timed(lambda address=address: _read(api, address)) for _ in range(210)][10:]
            found[title] = p95(taken)
        say(
            f"{name} at {size:,}: p95 {found[f'first page of {name}'] * 1000:.0f} ms, {_queries(program, path)} queries"
        )
    return found


def _notices() -> int:
    from cases.models import Notice

    return Notice.objects.count()


def _read(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    if answer.status_code != 200:
        raise SystemExit(f"{path} answered {answer.status_code}: {answer.text[:300]}")


def _queries(program: _Program, path: str) -> int:
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.force_login(program.admin)
    client.get(path, headers={"host": "localhost"})
    with CaptureQueriesContext(connection) as queries:
        client.get(path, headers={"host": "localhost"})
    return len(queries)


__all__ = ["Callable", "run"]
