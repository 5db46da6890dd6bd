"""The main path through the actions: from an allegation to the authority's queue and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cases import tasks
from cases.models import Case, Referral
from config import story
from ledger.models import Event
from ledger.time import standing_at
from monitoring.models import AnalysisReport, Batch


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("hour", [3, 18])
def test_story_is_told_and_the_watched_case_is_referred_by_itself(hour: int) -> None:
    start = datetime(2026, 11, 23, hour, 45, tzinfo=UTC)
    with standing_at(start):
        story.tell(start)
        assert not Event.objects.filter(at__gt=start).exists(), "nothing that is still to come"
        assert not Batch.objects.filter(received_at__gt=start).exists()
        reference, refers_at = story.watched()
        assert refers_at == start + story.WATCH_FOR
        assert not Referral.objects.filter(case__reference=reference).exists()
        # What the log says beside what was permitted: some of it within, some outside the agreed hours.
        [beside] = AnalysisReport.objects.get().content["authorisations"]
        assert 0 < beside["within"] < beside["rows"]
        assert set(beside["outside"]) == {"hours"}
    with standing_at(refers_at - timedelta(seconds=1)):
        assert tasks.run_all()["referrals"].acted == 0
    with standing_at(refers_at + timedelta(seconds=5)):
        assert tasks.run_all()["referrals"].acted == 1
        assert tasks.run_all()["referrals"].acted == 0
    case = Case.objects.get(reference=reference)
    assert case.state == "referred"
    referral = case.referrals.get()
    assert referral.referred_at == refers_at
    event = Event.objects.get(verb="case.referred", object_id=case.pk)
    assert event.at == refers_at
    assert event.detected_at == refers_at + timedelta(seconds=5)
