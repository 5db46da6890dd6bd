"""ClickHouse as the engine of a reading, over its HTTP interface: ibis compiles the expressions, the rows go there as
Parquet and the answers come back as Parquet.

ibis' own backend wants a driver with a converter for every type; a reading has whole numbers, fractions, flags and texts.
Everything is kept in temporary tables of one session, which end with it. Pure: no Django.
"""

from __future__ import annotations

import contextlib
import http.client
import io
from base64 import b64encode
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlencode, urlsplit
from uuid import uuid4

import ibis.backends.sql.compilers as compilers
import ibis.expr.operations as ops
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.sql import SQLBackend
from ibis.expr.schema import Schema
from ibis.formats.pandas import PandasData

SCHEME = "clickhouse"
LONGEST = 1200.0  # seconds for one answer
# What a join does not find is null, as everywhere else in SQL; ClickHouse would say 0.
SETTINGS = {
    "join_use_nulls": "1",
    "session_timeout": "3600",
    "default_format": "Parquet",
    # A log names tens of thousands of accounts in one condition.
    "max_query_size": str(1 << 28),
    "max_ast_elements": "10000000",
    "max_expanded_ast_elements": "10000000",
}
TYPES = {
    pa.int64(): "Int64",
    pa.int32(): "Int32",
    pa.int16(): "Int16",
    pa.float64(): "Float64",
    pa.bool_(): "Bool",
    pa.string(): "String",
}


class Refused(RuntimeError):
    """The server did not do what it was asked, or did not answer; the message is what it said."""


def problem_of(address: str) -> str:
    """What is wrong with clickhouse://[user[:password]@]host[:port]/[database][?secure=true]; empty if nothing is."""
    try:
        parts = urlsplit(address)
        told = parse_qs(parts.query, strict_parsing=bool(parts.query), keep_blank_values=True)
        port = parts.port
    except ValueError:
        return "is no address"
    if parts.scheme != SCHEME or not parts.hostname or port == 0:
        return "must be clickhouse://user:password@host:port/database"
    if parts.fragment or "/" in parts.path.strip("/") or set(told) - {"secure"}:
        return "has something after the database that is not ?secure=true"
    if told.get("secure", ["true"]) not in (["true"], ["false"]):
        return "says neither secure=true nor secure=false"
    return ""


class ClickHouse(SQLBackend):
    """One session with a server, opened by `ClickHouse().connect(address)`. Everything raises Refused."""

    name = "clickhouse"
    compiler = compilers.clickhouse.compiler

    def do_connect(self, address: str) -> None:
        """Open a session; the server is asked for its version at once, so that a wrong address fails here."""
        if problem := problem_of(address):
            raise ValueError(f"The address of ClickHouse {problem}.")
        parts = urlsplit(address)
        secure = parse_qs(parts.query).get("secure") == ["true"]
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        port = parts.port or (8443 if secure else 8123)
        self._open = partial(kind, str(parts.hostname), port, timeout=LONGEST)
        self._settings = {**SETTINGS, "session_id": uuid4().hex}
        if database := unquote(parts.path.strip("/")):
            self._settings["database"] = database
        said = f"{unquote(parts.username or 'default')}:{unquote(parts.password or '')}"
        self._headers = {"Authorization": f"Basic {b64encode(said.encode()).decode()}"}
        self._version = str(self._asked("SELECT version() AS v")["v"][0])

    def disconnect(self) -> None:
        """Drop what was made. Where that fails the tables end with their session, in an hour."""
        with contextlib.suppress(Refused):
            for name in self._made:
                self._ask(f"DROP TEMPORARY TABLE IF EXISTS {name}")

    @property
    def version(self) -> str:
        """The server's."""
        return self._version

    @property
    def _made(self) -> list[str]:
        return self.__dict__.setdefault("made", [])

    def _ask(self, sql: str, body: bytes | BinaryIO | None = None) -> bytes:
        """What the server answers; a body is the data of an INSERT."""
        told = self._settings if body is None else {**self._settings, "query": sql}
        sent = sql.encode() if body is None else body
        length = len(sent) if isinstance(sent, bytes) else sent.seek(0, io.SEEK_END)
        if not isinstance(sent, bytes):
            sent.seek(0)
        headers = {**self._headers, "Content-Length": str(length)}
        try:
            # A connection for each question: between two of them a reading reckons for longer than a server waits.
            with contextlib.closing(self._open()) as connection:
                connection.request("POST", f"/?{urlencode(told)}", sent, headers)
                answer = connection.getresponse()
                said = answer.read()
        except (OSError, http.client.HTTPException) as wrong:
            raise Refused(f"ClickHouse does not answer: {wrong}") from wrong
        if answer.status != 200:
            raise Refused(said[:2000].decode(errors="replace"))
        return said

    def _asked(self, sql: str) -> pa.Table:
        return pq.read_table(io.BytesIO(self._ask(sql)))

    def to_pyarrow(self, expr: Any, /, **kwargs: Any) -> Any:
        """The answer, in the types of the expression."""
        table = expr.as_table()
        found = self._asked(self.compile(table)).cast(table.schema().to_pyarrow())
        return expr.__pyarrow_result__(found)

    def execute(self, expr: Any, /, **kwargs: Any) -> Any:
        """The answer as pandas has it."""
        table = expr.as_table()
        found = self._asked(self.compile(table)).cast(table.schema().to_pyarrow())
        # A whole number beside a null stays one: as a fraction it would lose its last digits.
        frame = found.to_pandas(integer_object_nulls=True)
        return expr.__pandas_result__(PandasData.convert_table(frame, table.schema()))

    def read_parquet(self, path: str, /, *, table_name: str) -> Any:
        """A table of a file's rows."""
        schema = pq.read_schema(path)
        table = self._new(table_name, schema)
        with Path(path).open("rb") as file:
            self._ask(f"INSERT INTO {table_name} FORMAT Parquet", file)
        return table

    def create_table(self, name: str, obj: Any = None, /, *, temp: bool = True, **kwargs: Any) -> Any:
        """A temporary table of a frame's rows, or of an expression's."""
        if isinstance(obj, pd.DataFrame):
            rows = pa.Table.from_pandas(obj, preserve_index=False)
            table = self._new(name, rows.schema)
            out = io.BytesIO()
            pq.write_table(rows, out)
            self._ask(f"INSERT INTO {name} FORMAT Parquet", out.getvalue())
            return table
        table = self._new(name, obj.schema().to_pyarrow())
        self._ask(f"INSERT INTO {name} {self.compile(obj)}")
        return table

    def _new(self, name: str, schema: pa.Schema) -> Any:
        columns = ", ".join(f'"{field.name}" Nullable({TYPES[field.type]})' for field in schema)
        self._ask(f"CREATE TEMPORARY TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY tuple()")
        self._made.append(name)
        known = Schema.from_pyarrow(pa.schema([field.with_nullable(True) for field in schema]))
        return ops.DatabaseTable(name, schema=known, source=self, namespace=ops.Namespace()).to_expr()

    def drop_table(self, name: str, /, **kwargs: Any) -> None:
        """Let go of a table that was made here."""
        self._ask(f"DROP TEMPORARY TABLE {name}")
        self._made.remove(name)

    # What a reading does not need of a backend.
    def list_tables(self, **kwargs: Any) -> list[str]:
        """The tables that were made here."""
        return sorted(self._made)

    def _get_schema_using_query(self, query: str) -> Schema:
        raise NotImplementedError

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        raise NotImplementedError(f"{op.name} belongs to no engine; give an expression.")
