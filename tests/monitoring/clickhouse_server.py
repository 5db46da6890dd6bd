"""A server that speaks ClickHouse's HTTP interface, with the engine of ClickHouse (chdb) behind it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chdb.session import Session

NOT_SETTINGS = {"query", "session_id", "session_timeout", "default_format", "database"}


@contextmanager
def serving() -> Iterator[Any]:
    """(address, asked): where it listens, and the statements that came."""
    asked: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        session = Session(folder)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                given = dict(parse_qsl(urlsplit(self.path).query))
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sql = given.get("query") or body.decode()
                asked.append(sql)
                status, said = 200, b""
                try:
                    for name in given.keys() - NOT_SETTINGS:
                        session.query(f"SET {name} = {given[name]}")
                    if "query" in given:
                        data = Path(folder) / "data.parquet"
                        data.write_bytes(body)
                        sql = sql.replace(" FORMAT Parquet", f" SELECT * FROM file('{data}', Parquet)")
                    said = session.query(sql, given["default_format"]).bytes()
                except Exception as wrong:  # whatever the engine says is the answer
                    status, said = 500, str(wrong).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
                # A server closes a connection that is idle, unannounced: this one at once.
                self.close_connection = True

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"clickhouse://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            session.close()
