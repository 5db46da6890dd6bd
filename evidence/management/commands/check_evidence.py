"""Compares the evidence storage with the records: nothing in either may be without the other."""

from collections.abc import Iterator
from typing import Any

from django.core.files.storage import Storage, storages
from django.core.management.base import BaseCommand, CommandError

from evidence.models import EvidenceItem

FOLDERS = ("items", "public")


def stored(storage: Storage) -> Iterator[str]:
    """The names of all files in the storage."""
    for folder in FOLDERS:
        try:
            _, names = storage.listdir(folder)
        except FileNotFoundError:
            continue
        yield from (f"{folder}/{name}" for name in names if name)


class Command(BaseCommand):
    help = "Report files without a record and records without a file. Exits with 1 if there are any."

    def handle(self, *args: Any, **options: Any) -> None:
        # Files first: one that arrives meanwhile is not missed in the storage when its record is found.
        files = set(stored(storages["default"]))
        rows = EvidenceItem.objects.values_list("reference", "file", "public_file")
        named = {name: reference for reference, *names in rows.iterator() for name in names if name}
        # What was added after the files were listed is looked for by itself.
        lost = [name for name in sorted(set(named) - files) if not storages["default"].exists(name)]
        orphans = sorted(files - set(named))
        for name in lost:
            self.stdout.write(f"{named[name]}: the file {name} is missing")
        for name in orphans:
            self.stdout.write(f"{name}: no item has this file")
        self.stdout.write(f"{len(named)} files on record, {len(lost)} missing, {len(orphans)} without a record")
        if lost or orphans:
            raise CommandError("The evidence storage and the records do not agree.", returncode=1)
