"""What is kept for a while only: answers for retries, and tokens that are no longer good."""

from __future__ import annotations

from celery import shared_task

from accounts.actions import forget_answers


@shared_task(name="accounts.tasks.forget")
def forget() -> None:
    forget_answers()
