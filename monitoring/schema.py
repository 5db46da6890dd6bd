"""The usage log: what one row says, under which names it is accepted. docs/usage-log.md is the page for people.

One row is one API call. Pure: no Django, no clock, no files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VERSION = "CANDOUR-LOG-1"
# The first line of a prepared file: a JSON object with this one key (in CSV after "# ", in Parquet as file metadata).
HEADER_KEY = "candour_usage_log"


@dataclass(frozen=True)
class Column:
    """A column: its JSON type, what it means, the most characters its text may have, other names it may come under."""

    name: str
    type: str
    meaning: str
    required: bool = False
    most: int = 200
    aliases: tuple[str, ...] = ()


COLUMNS = (
    Column(
        "ts",
        "string",
        "When the call was received: RFC 3339 with its zone, or seconds, milliseconds, microseconds or nanoseconds since "
        "1970 in UTC.",
        required=True,
        most=40,
        aliases=("timestamp", "time", "start_time", "startTimeUnixNano", "time_unix_nano"),
    ),
    Column(
        "account",
        "string",
        "Whose call it was: a keyed hash of the account's identifier.",
        required=True,
        aliases=("account_id", "enduser.id", "user.id", "organization_id"),
    ),
    Column(
        "model",
        "string",
        "The model that was asked.",
        required=True,
        aliases=("gen_ai.request.model", "gen_ai.response.model"),
    ),
    Column(
        "input_tokens",
        "integer",
        "Tokens of the request.",
        required=True,
        aliases=("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "prompt_tokens"),
    ),
    Column(
        "output_tokens",
        "integer",
        "Tokens of the answer.",
        required=True,
        aliases=("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "completion_tokens"),
    ),
    Column(
        "status",
        "integer",
        "The HTTP status of the answer.",
        required=True,
        aliases=("http.response.status_code", "http.status_code", "status_code"),
    ),
    Column("key", "string", "A keyed hash of the API key.", aliases=("key_hash", "api_key_hash")),
    Column(
        "net", "string", "A keyed hash of the address's network (/24 or /48).", aliases=("net_hash", "client.address")
    ),
    Column("endpoint", "string", "Which operation was called.", aliases=("gen_ai.operation.name", "http.route")),
    Column("prompt_hash", "string", "A keyed hash of the whole prompt.", aliases=("prompt_sha256",)),
    Column("template", "string", "The prompt's 64-bit template simhash, 16 hexadecimal digits.", aliases=("tpl",)),
    Column(
        "user_agent",
        "string",
        "The client software as it named itself.",
        most=500,
        aliases=("ua", "user_agent.original"),
    ),
    Column("payment", "string", "A keyed hash of the means of payment.", aliases=("payment_hash",)),
    Column("refused", "boolean", "Whether the model or a filter refused.", aliases=("refusal",)),
    Column(
        "finish_reason",
        "string",
        "Why the answer ended: stop, length, content_filter, tool_calls.",
        aliases=("gen_ai.response.finish_reasons", "finish_reasons"),
    ),
    Column(
        "params",
        "object",
        "Of the request's parameters: logprobs, logit_bias, max_tokens, temperature, n, reasoning.",
        most=2000,
        aliases=("parameters",),
    ),
    Column("prefix_hash", "string", "A keyed hash of the prompt's beginning (the first 512 tokens)."),
    Column("session", "string", "The conversation.", aliases=("session_id", "gen_ai.conversation.id")),
)

BY_NAME = {column.name: column for column in COLUMNS}
REQUIRED = tuple(column.name for column in COLUMNS if column.required)
OPTIONAL = tuple(column.name for column in COLUMNS if not column.required)
# The name a column has here, by each name it may come under (lower case).
CANONICAL = {alias.lower(): c.name for c in COLUMNS for alias in (c.name, *c.aliases)}

LARGEST_COUNT = 100_000_000  # tokens of one call: more is a mistake


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of one row, as published."""
    properties: dict[str, Any] = {}
    for column in COLUMNS:
        rule: dict[str, Any] = {"type": column.type, "description": column.meaning}
        if column.type == "integer":
            rule |= {"minimum": 0, "maximum": LARGEST_COUNT}
        elif column.type == "string":
            rule |= {"maxLength": column.most}
        properties[column.name] = rule
    properties["ts"]["type"] = ["string", "number"]
    properties["status"] |= {"minimum": 100, "maximum": 599}
    properties["template"]["pattern"] = "^[0-9a-f]{16}$"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"One row of a usage log ({VERSION})",
        "type": "object",
        "properties": properties,
        "required": list(REQUIRED),
        "additionalProperties": True,
    }
