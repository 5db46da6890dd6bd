"""The analysis of a file: asked for once, read in a process of its own, reported for ever."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import Error, connection, transaction
from django.test import Client as Browser

import monitoring.work
from disclosures.actions import authorisations
from disclosures.examples import AUTHORISATION
from disclosures.models import AuthorisationBarrier
from evidence.actions import add, grant, hand_in
from evidence.models import NON_CONFIDENTIAL, EvidenceItem
from ledger.models import Event
from ledger.time import now, standing_at
from monitoring.actions.analysis import begin, fail, finish, hear, request_analysis
from monitoring.models import Analysis, AnalysisReport
from monitoring.models.analysis import ATTEMPTS, SILENT
from monitoring.work import work
from tests import cast
from tests.cast import CUSTODY
from tests.evidence.conftest import world
from tests.monitoring.feeds import program
from tests.monitoring.logs import lines, ordinary, swept

__all__ = ["world"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("storage")]
LOG = lines(ordinary(120) + swept("acc-sweep", 3000))


def item_of(world: SimpleNamespace, content: bytes, name: str = "log.jsonl", kind: str = "access_log") -> EvidenceItem:
    """A log that the company handed in, with a claim."""
    own = {**CUSTODY, "kind": kind, "no_public_version_because": "Nothing is left without the accounts."}
    item = add(by=world.officer, file=SimpleUploadedFile(name, content), received_at=now(), **_plain(own))
    with transaction.atomic():
        hand_in([item], by=world.officer, at=now())
    return item


def _plain(known: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": "Gateway log",
        "collected_on": now().date(),
        "personal_data": False,
        "collector_declares": True,
        **known,
    }


def asked(world: SimpleNamespace, content: bytes, name: str = "log.jsonl") -> Analysis:
    return request_analysis(item_of(world, content, name).pk, by=world.officer)


def test_a_log_is_read_and_its_report_kept(world: SimpleNamespace) -> None:
    analysis = asked(world, LOG + b"no row\n")
    done = work(analysis.pk)
    assert done is not None
    assert done.state == "done", done.failure
    report = done.report.content
    assert (report["rows"], report["rejected"]) == (LOG.count(b"\n"), 1)
    assert report["file_sha256"] == analysis.item.sha256
    assert done.report.sha256 == hashlib.sha256(done.report.written.encode()).hexdigest()
    strongest = report["findings"][0]
    assert strongest["accounts"] == ["acc-sweep"]
    assert {"volume", "time"} <= set(strongest["families"])
    assert Event.objects.filter(verb="evidence.analysed").get().details["sha256"] == done.report.sha256
    with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE monitoring_analysisreport SET written = ''")


def test_a_file_that_is_no_log_ends_with_its_reason(world: SimpleNamespace) -> None:
    done = work(asked(world, b"minute,requests\n1,412\n", "usage.csv").pk)
    assert done is not None
    assert done.state == "failed"
    assert done.failure == "The first line is not a header: it names none of the columns of a usage log."


def test_a_bomb_ends_with_its_reason_and_the_worker_lives(world: SimpleNamespace) -> None:
    bomb = gzip.compress(LOG[: LOG.index(b"\n") + 1] + b" " * (300 << 20))
    done = work(asked(world, bomb, "log.jsonl.gz").pk)
    assert done is not None
    assert done.state == "failed"
    assert "times its size" in done.failure


def test_a_file_that_takes_too_much_memory_ends_with_its_reason(
    world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(monitoring.work, "MEMORY", 300)
        done = work(asked(world, LOG).pk)
    assert done is not None
    assert (done.state, done.failure) == ("failed", monitoring.work.TOO_LARGE)
    again = work(asked(world, LOG).pk)
    assert again is not None
    assert again.state == "done", "the worker lives, and reads the next one"


def test_an_analysis_that_the_kernel_kills_took_too_much_memory(
    world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(child: Any) -> None:
        assert (Path("/proc") / str(child.pid) / "oom_score_adj").read_text().strip() == "1000", "it is the first to go"
        child.kill()
        child.wait()

    monkeypatch.setattr(monitoring.work, "with_patience", killed)
    done = work(asked(world, LOG).pk)
    assert done is not None
    assert (done.state, done.failure) == ("failed", monitoring.work.TOO_LARGE)


def test_asked_twice_is_one_analysis_while_it_is_under_way(world: SimpleNamespace) -> None:
    first = asked(world, LOG)
    assert request_analysis(first.item_id, by=world.colleague) == first
    assert begin(first.pk) is not None
    fail(first.pk, attempt=1, reason="x")
    assert request_analysis(first.item_id, by=world.colleague) != first


def test_only_logs_are_analysed_and_only_by_who_may(world: SimpleNamespace) -> None:
    log = item_of(world, LOG)
    with transaction.atomic():
        grant([log], world.rival, projection=NON_CONFIDENTIAL, reason="test", by=world.caseworker)
    for stranger in (world.rival_officer, world.auditor, world.authority_officer):
        with pytest.raises((PermissionDenied, EvidenceItem.DoesNotExist)):
            request_analysis(log.pk, by=stranger)
    assert request_analysis(log.pk, by=world.caseworker).state == "queued"
    letter = item_of(world, b"Dear Sirs", "letter.txt", kind="correspondence")
    with pytest.raises(PermissionDenied, match="access or usage log"):
        request_analysis(letter.pk, by=world.officer)


def test_who_was_shown_the_public_version_sees_no_analysis(world: SimpleNamespace) -> None:
    analysis = asked(world, LOG)
    work(analysis.pk)
    with transaction.atomic():
        grant([analysis.item], world.rival, projection=NON_CONFIDENTIAL, reason="test", by=world.caseworker)
    seen = {
        name: Analysis.objects.visible_to(getattr(world, name)).exists()
        for name in (
            "officer",
            "colleague",
            "caseworker",
            "supervisor",
            "rival_officer",
            "authority_officer",
            "auditor",
        )
    }
    assert seen == {
        "officer": True,
        "colleague": True,
        "caseworker": True,
        "supervisor": True,
        "rival_officer": False,
        "authority_officer": False,
        "auditor": False,
    }


def test_a_silent_worker_loses_its_analysis_and_its_report(world: SimpleNamespace) -> None:
    analysis = asked(world, LOG)
    assert begin(analysis.pk) is not None
    assert begin(analysis.pk) is None  # it was heard of just now
    with standing_at(now() + SILENT + timedelta(seconds=1)):
        again = begin(analysis.pk)
        assert again is not None
        assert again.attempts == 2
    assert not hear(analysis.pk, read=5, rows=1, attempt=1)
    assert finish(analysis.pk, attempt=1, written="{}", sha256="0" * 64, method_version="x") is None
    assert not AnalysisReport.objects.exists()


def test_three_silent_workers_are_enough(world: SimpleNamespace) -> None:
    analysis = asked(world, LOG)
    later = now()
    for _ in range(ATTEMPTS):
        with standing_at(later):
            assert begin(analysis.pk) is not None
        later += SILENT + timedelta(seconds=1)
    with standing_at(later):
        assert begin(analysis.pk) is None
    analysis.refresh_from_db()
    assert analysis.state == "failed"
    assert "three times" in analysis.failure


def test_what_the_register_permits_is_taken_out(world: SimpleNamespace) -> None:
    content = {**AUTHORISATION, "accounts": ["acc-sweep"], "starts_on": "2026-03-01", "ends_on": "2026-03-31"}
    content = {k: v for k, v in content.items() if not k.startswith(("max_", "hours_")) and k != "networks"}
    content |= {"models": ["owl-2"], "endpoints": [], "user_agents": []}
    entry = authorisations.propose(by=world.colleague, grantee=world.rival.name, content=content)
    authorisations.confirm(entry.pk, by=world.rival_officer, name="Kit", capacity="Head")
    done = work(asked(world, LOG).pk)
    assert done is not None
    report = done.report.content
    [table] = report["authorisations"]
    assert (table["rows"], table["within"], table["retroactive"]) == (3000, 3000, True)
    assert all(one["explained"] for one in report["findings"] if one["accounts"] == ["acc-sweep"])


def test_the_respondent_computes_the_same_report_from_the_file_and_the_authorisations(
    world: SimpleNamespace, client: Browser, settings: Any, tmp_path: Path
) -> None:
    settings.SECOND_FACTOR_REQUIRED = False
    content = {**AUTHORISATION, "accounts": ["acc-sweep"], "starts_on": "2026-03-02", "ends_on": "2026-03-31"}
    content |= {"models": ["owl-2"], "endpoints": [], "user_agents": [], "max_requests_a_day": 900}
    entry = authorisations.propose(by=world.colleague, grantee=world.rival.name, content=content)
    authorisations.confirm(entry.pk, by=world.rival_officer, name="Kit", capacity="Head")
    authorisations.amend(entry.pk, by=world.colleague, content={**content, "max_requests": 1000}, change="Fewer")
    authorisations.confirm(entry.pk, by=world.rival_officer, name="Kit", capacity="Head")
    done = work(asked(world, LOG).pk)
    assert done is not None
    assert done.report.content["authorisations"][0]["outside"]
    client.force_login(world.officer)
    permits = client.get(f"/analyses/{done.pk}/authorisations.json").content
    assert world.rival.name.encode() not in permits, "with the report it goes to an authority: terms, and nobody's name"
    assert b"Kit" not in permits
    assert hashlib.sha256(permits).hexdigest() == done.report.content["authorisations_sha256"]
    log, file, out = tmp_path / "log", tmp_path / "authorisations", tmp_path / "report"
    log.write_bytes(LOG)
    file.write_bytes(permits)
    call_command("analyse_log", log, json=out, authorisations=file, stderr=io.StringIO())
    assert out.read_bytes() == client.get(f"/analyses/{done.pk}/report.json").content
    call_command("analyse_log", log, json=out, stderr=io.StringIO())
    assert json.loads(out.read_bytes())["authorisations_sha256"] is None
    client.force_login(world.rival_officer)
    assert client.get(f"/analyses/{done.pk}/authorisations.json").status_code == 404


def test_who_is_walled_off_from_a_permission_reads_no_analysis_that_tells_of_it(
    world: SimpleNamespace, client: Browser, settings: Any
) -> None:
    """A conflict in a case between the two: the log is another one, in which the official has no part."""
    settings.SECOND_FACTOR_REQUIRED = False
    content = {**AUTHORISATION, "accounts": ["acc-sweep"], "starts_on": "2026-03-02", "ends_on": "2026-03-31"}
    entry = authorisations.propose(by=world.colleague, grantee=world.rival.name, content=content)
    authorisations.confirm(entry.pk, by=world.rival_officer, name="Kit", capacity="Head")
    item = item_of(world, LOG)
    done = work(request_analysis(item.pk, by=world.officer).pk)
    assert done is not None
    assert [one.authorisation for one in done.compared.all()] == [entry]
    colleague = cast.person(world.caseworker.organisation, "caseworker")
    service = program(colleague, by=world.supervisor)
    pages = [f"/analyses/{done.pk}/", f"/analyses/{done.pk}/authorisations.json", f"/analyses/{done.pk}/report.csv"]
    at = f"/api/v1/analyses/{done.pk}/report/"
    for walled in (False, True):
        if walled:
            a, b = world.rival, world.company  # in whichever order
            AuthorisationBarrier.objects.create(one=a, other=b, user=world.caseworker)
        for official, blind in ((world.caseworker, walled), (colleague, False)):
            client.force_login(official)
            assert {client.get(page).status_code for page in pages} == {404 if blind else 200}
            listed = client.get(f"/evidence/{item.reference}/analyses/").content.decode()
            assert (f"/analyses/{done.pk}/" in listed) is not blind
        assert service.get(at).status_code == (404 if walled else 200), "nobody knows who reads what it reads"
        client.force_login(world.officer)
        assert client.get(pages[0]).status_code == 200


def test_without_authorisations_there_is_no_file_of_them(
    world: SimpleNamespace, client: Browser, settings: Any
) -> None:
    settings.SECOND_FACTOR_REQUIRED = False
    done = work(asked(world, LOG).pk)
    assert done is not None
    assert done.report.content["authorisations_sha256"] is None
    client.force_login(world.officer)
    assert client.get(f"/analyses/{done.pk}/authorisations.json").status_code == 404
    assert "--authorisations" not in client.get(f"/analyses/{done.pk}/").content.decode()


def test_the_pages_of_an_analysis(world: SimpleNamespace, client: Browser, settings: Any) -> None:
    settings.SECOND_FACTOR_REQUIRED = False
    item = item_of(world, LOG)
    client.force_login(world.officer)
    assert f"/evidence/{item.reference}/analyses/" in client.get(f"/evidence/{item.reference}/").content.decode()
    going = client.post(f"/evidence/{item.reference}/analyse/")
    page = client.get(going.url).content.decode()
    assert "Waiting to be read" in page
    analysis = Analysis.objects.get()
    work(analysis.pk)
    page = client.get(going.url).content.decode()
    assert "acc-sweep" in page
    assert "Innocent explanations to rule out" in page
    for word in ("proof", "guilt", "extraction attack"):
        assert word not in page.lower()
    told = client.get(f"{going.url}report.json")
    assert json.loads(told.content) == analysis.report.content
    assert told.content.decode() == analysis.report.written
    assert client.get(f"{going.url}report.pdf").content.startswith(b"%PDF")
    table = client.get(f"{going.url}report.csv").content.decode()
    assert "acc-sweep" in table
    client.force_login(world.rival_officer)
    assert client.get(going.url).status_code == 404


def test_formula_cells_are_text_in_the_table(world: SimpleNamespace, client: Browser, settings: Any) -> None:
    settings.SECOND_FACTOR_REQUIRED = False
    analysis = asked(world, LOG.replace(b"acc-sweep", b"=cmd()"))
    work(analysis.pk)
    client.force_login(world.officer)
    assert ',"\'=cmd()",' in client.get(f"/analyses/{analysis.pk}/report.csv").content.decode()
