"""The first step on a new platform: the ministry, and a link for its first supervisor."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actions import found_ministry
from web.problems import Conflict


class Command(BaseCommand):
    help = "Make the ministry and invite its first supervisor. Works once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True, help="name of the ministry")
        parser.add_argument("--person", required=True, help="name of the first supervisor")
        parser.add_argument("--email", required=True, help="where the link goes")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found_ministry(name=options["name"], person=options["person"], email=options["email"])
        except Conflict as conflict:
            raise CommandError(str(conflict)) from conflict
        self.stdout.write("The link is sent with the next delivery.")
