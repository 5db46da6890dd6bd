"""manage.py analyse_log FILE --json OUT: the analysis of a usage log, without a server.

For whoever wants to check a report: the same file gives the same report.
"""

from __future__ import annotations

import gc
import hashlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from monitoring.clickhouse import Refused
from monitoring.declared import count
from monitoring.intake import Unreadable, take_in
from monitoring.matching import Permit, read_permits
from monitoring.reading import Options, read, written


class Command(BaseCommand):
    help = "Analyse a usage log (docs/usage-log.md) and write the report as JSON."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """FILE, and what the reader may be told besides."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--json", type=Path, required=True, metavar="OUT", help="where the report goes")
        parser.add_argument("--authorisations", type=Path, metavar="FILE", help="a JSON list of authorisations")
        parser.add_argument("--rate-limit", type=int, metavar="N", help="the provider's limit, in requests a minute")
        parser.add_argument(
            "--progress", type=Path, metavar="FILE", help="where to write how many bytes and rows have been read"
        )
        parser.add_argument(
            "--lines", type=Path, metavar="FOLDER", help="where to write the numbers of the lines that findings rest on"
        )
        parser.add_argument(
            "--questions", type=Path, metavar="FILE", help="periods and accounts to count beside the report"
        )
        parser.add_argument("--answers", type=Path, metavar="FILE", help="where these counts go")
        parser.add_argument(
            "--memory", type=int, metavar="MB", help="give up rather than ask for more memory than this"
        )
        parser.add_argument("--folder", type=Path, help="where to work (twice the file's size is needed)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, say how far it is, write."""
        # manage.py puts garbage off while it imports. Here a few objects hold all there is of a block of the file.
        gc.set_threshold(700)
        if options["memory"]:
            most = options["memory"] << 20
            # What is written to, not all addresses (RLIMIT_AS): the code of the libraries and files that are looked at
            # through memory are no use of it.
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        lines: Path | None = options["lines"]
        if lines is not None:
            lines.mkdir(parents=True, exist_ok=True)
        told = Options(options["rate_limit"], *self._permits(options["authorisations"]), lines, settings.ANALYTICS_URL)
        with tempfile.TemporaryDirectory(prefix="analyse-", dir=options["folder"]) as folder:
            try:
                kept = take_in(path, Path(folder), progress=self._progress(options["progress"]))
            except Unreadable as wrong:
                raise CommandError(str(wrong)) from wrong
            if options["questions"]:
                asked = json.loads(options["questions"].read_text())
                options["answers"].write_text(json.dumps(count(kept, asked)))
            try:
                report = read(kept, told)
            except Refused as wrong:
                self.stderr.write(str(wrong))
                raise CommandError("The server on which analyses are reckoned cannot be used at the moment.") from wrong
        options["json"].write_bytes(written(report))
        self.stderr.write(
            f"{report['rows']:,} rows, {report['rejected']:,} rejected, {report['accounts']:,} accounts, "
            f"{len(report['findings']):,} findings."
        )

    def _permits(self, path: Path | None) -> tuple[tuple[Permit, ...], str | None]:
        """The authorisations, and the SHA-256 of their file."""
        if path is None:
            return (), None
        try:
            content = path.read_bytes()
            return read_permits(content), hashlib.sha256(content).hexdigest()
        except (OSError, ValueError, RecursionError) as wrong:
            raise CommandError(f"The authorisations cannot be read: {wrong}.") from wrong

    def _progress(self, path: Path | None) -> Any:
        begun, last = time.monotonic(), [0.0]

        def tell(done: int, size: int, rows: int) -> None:
            now = time.monotonic()
            if path is not None:
                path.write_text(f"{done} {rows}")
            if sys.stderr.isatty() and now - last[0] > 1:
                last[0] = now
                left = (now - begun) * (size - done) / max(done, 1)
                self.stderr.write(f"\r{done / max(size, 1):4.0%}, {rows:,} rows, about {left:.0f} s left", ending="")

        return tell
