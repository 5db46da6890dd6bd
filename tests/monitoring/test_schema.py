"""The page for providers and the schema for machines say what the code says."""

import json
import re
from pathlib import Path

import pytest

from monitoring import prepare, schema
from monitoring.report import METHOD

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGE = (DOCS / "usage-log.md").read_text()


def test_the_published_schema_is_current() -> None:
    # To renew it: write json.dumps(schema.json_schema(), indent=2) and a line's end to that file.
    assert json.loads((DOCS / "usage-log.schema.json").read_text()) == schema.json_schema()


@pytest.mark.parametrize("column", schema.COLUMNS, ids=lambda column: column.name)
def test_the_page_tells_of_every_column_and_alias(column: schema.Column) -> None:
    row = re.search(rf"^\| `{column.name}` \| (yes)? ?\|.*$", PAGE, re.MULTILINE)
    assert row
    assert bool(row.group(1)) == column.required
    aliases = re.search(rf"^\| `{column.name}` \| (`.*`) \|$", PAGE, re.MULTILINE)
    assert tuple(re.findall("`([^`]+)`", aliases.group(1) if aliases else "")) == column.aliases


def test_the_page_tells_of_what_prepare_does() -> None:
    for name in prepare.INPUT:
        assert f"`{name}`" in PAGE
    assert f"`{prepare.simhash('Translate THIS word!')}`" in PAGE
    assert schema.VERSION in PAGE
    assert schema.HEADER_KEY in PAGE
    for option in re.findall(r'add_argument\("(--[a-z-]+)"', Path(prepare.__file__).read_text()):
        assert f"`{option}" in PAGE, option


def test_the_transparency_record_names_the_method_that_runs() -> None:
    assert f"method `{METHOD}`" in (DOCS / "transparency-record.md").read_text()
