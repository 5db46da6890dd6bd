"""kill -9 in the middle of due escalations: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection, connections, transaction

from cases import tasks
from cases.actions.referrals.making import refer
from cases.models import Case, Referral
from ledger.models import Event
from ledger.time import now
from tests import builders
from tests.faults.processes import Watcher, kill_group, sender, wait_for, worker
from tests.faults.verdict import lost_and_doubled, violations

TOPPED_UP_TO = 80


@pytest.mark.slow
def test_worker_group_killed_in_due_escalations_loses_nothing_and_does_nothing_twice(
    people: builders.Cast,
    process_environment: dict[str, str],
    broker_url: str,
    tmp_path: Path,
    dose: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    kills, hits, in_transaction, ids = dose(10, 50), 0, 0, []
    environment = {**process_environment, "CELERY_BROKER_URL": broker_url, "CANDOUR_TASK_VISIBILITY": "5"}
    log, watch, send = tmp_path / "worker.log", Watcher(), sender(broker_url)
    try:
        for number in range(kills):
            ids += _top_up(people)
            with worker(environment, log, name=f"killed-{number}") as process:
                send.send_task("cases.tasks.sweep", expires=55)
                cut = _kill_in_transaction(process, watch, f"killed-{number}", log, referring=number % 2 == 0)
            wait_for(lambda name=f"killed-{number}": watch.backends(name) == 0, log)
            hits += bool(watch.aborted(cut))
            in_transaction += watch.aborted(cut)
        referred = Referral.objects.count()
        with worker(environment, log, name="healthy"):
            send.send_task("cases.tasks.sweep", expires=55)
            wait_for(lambda: not Case.objects.due_for_referral().exists(), log)
    finally:
        watch.close()
    figure(
        f"kills that hit an open transaction: {hits} of {kills} ({in_transaction} escalations cut off, "
        f"{referred} referred by then); {len(ids)} cases, lost and doubled: {lost_and_doubled(ids)}"
    )
    assert lost_and_doubled(ids) == (0, 0)
    assert violations(ids) == []
    assert hits >= 0.8 * kills


def _top_up(people: builders.Cast) -> list[int]:
    missing = TOPPED_UP_TO - Case.objects.due_for_referral().count()
    return builders.open_cases(people, missing, sent_at=now() - timedelta(days=25)) if missing > 0 else []


def _kill_in_transaction(
    process: subprocess.Popen[bytes], watch: Watcher, name: str, log: Path, *, referring: bool
) -> list[int]:
    """Let it get going, then kill the group in the moment in which an escalation is open. Answers what was open."""
    wait_for(lambda: watch.escalating(name, referring=referring), log)
    sleep(random.uniform(0, 0.3))
    until = monotonic() + 5
    while not (found := watch.escalating(name, referring=referring)) and monotonic() < until:
        pass
    kill_group(process)
    return found


# --- Cut off at every single statement ----------------------------------------------------------------------------------
def _die_at(statement: int, do: Callable[[], Any]) -> bool:
    """Run `do` in a forked process that is killed with -9 before its n-th statement; True when it came to that."""
    connections.close_all()  # a child must not speak on its parent's line
    child = os.fork()
    if child == 0:
        count = 0

        def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            nonlocal count
            count += 1
            if count == statement:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(sql, params, many, context)

        try:
            with connection.execute_wrapper(wrapper):
                do()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"The child ended with {status}."
    return os.WIFSIGNALED(status)


def test_referral_killed_before_any_statement_is_whole_or_absent(
    people: builders.Cast, figure: Callable[[str], None]
) -> None:
    ids, statement = [], 0
    while True:
        statement += 1
        (pk,) = builders.open_cases(people, 1, sent_at=now() - timedelta(days=25))
        ids.append(pk)
        if not _die_at(statement, lambda pk=pk: refer(pk)):
            break
        assert not Referral.objects.filter(case=pk).exists()
        assert not Event.objects.filter(object_id=pk, verb="case.referred").exists()
        assert Case.objects.get(pk=pk).state == "open"
    assert statement > 10
    tasks.run_all()
    assert violations(ids) == []
    figure(f"a referral cut off before each of its {statement - 1} statements: whole or absent each time")


def test_referral_without_transaction_is_left_half_done_when_killed(
    people: builders.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: in autocommit the same kills leave halves, and the verdict sees every one."""

    class Nothing(transaction.Atomic):
        def __enter__(self) -> None: ...
        def __exit__(self, *_error: object) -> None: ...

    halves = []
    for statement in range(1, 40):
        (pk,) = builders.open_cases(people, 1, sent_at=now() - timedelta(days=25))
        with monkeypatch.context() as patch:
            patch.setattr(transaction.Atomic, "__enter__", Nothing.__enter__)
            patch.setattr(transaction.Atomic, "__exit__", Nothing.__exit__)
            patch.setattr(connection.features, "has_select_for_update", False)
            patch.setattr("ledger.actions.connection", _SaysInTransaction())
            patch.setattr("notifications.actions.connection", _SaysInTransaction())
            came_to_it = _die_at(statement, lambda pk=pk: refer(pk))
        if not came_to_it:
            break
        tasks.run_all()
        if violations([pk]):
            halves.append(pk)
    assert halves


class _SaysInTransaction:
    in_atomic_block = True
