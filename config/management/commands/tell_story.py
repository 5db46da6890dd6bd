"""Load the demonstration's story into an empty database, and write what a newcomer needs to sign in."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from config import story
from ledger.time import now


class Command(BaseCommand):
    help = "Tell the demonstration's story (once) and write demo.json under CANDOUR_HOME."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The story is told in demo mode only.")
        if not User.objects.exists():
            self.stdout.write("Telling the story of the demonstration...")
            story.tell(now())
        case, refers_at = story.watched()
        people = [
            {"email": p.email, "password": story.PASSWORD, "role": p.role, "organisation": p.organisation}
            for p in story.CAST
        ]
        demo = {
            "url": settings.SITE_URL,
            "people": people,
            "watch": {"case": case, "refers_at": refers_at.isoformat()},
        }
        path = settings.CANDOUR_HOME / "demo.json"
        # A secret is kept as a hash: what was written the first time is what is known of it.
        demo["clients"] = (json.loads(path.read_text()).get("clients") if path.exists() else None) or story.clients()
        path.touch(mode=0o600)
        path.write_text(json.dumps(demo, indent=2))
        self.stdout.write(f"Wrote {path.name}: watch {case}.")
