"""PDFs: what goes in is what a reader gets out, and nothing in it acts as markup."""

import io
from typing import Any

import pypdf
import pytest

from web import pdf


def read(data: dict[str, Any]) -> tuple[pypdf.PdfReader, str]:
    """The document and its text, lines joined."""
    reader = pypdf.PdfReader(io.BytesIO(pdf.render("document.typ", data)))
    return reader, "\n".join(page.extract_text() for page in reader.pages)


def test_document_reads_back_with_title_language_and_tags() -> None:
    reader, text = read(
        {
            "title": "Receipt for a disclosure",
            "reference": "D-2026-000123",
            "lines": [["Received", "4:30pm on Friday 16 October 2026"], ["SHA-256", "a9" * 32]],
            "sections": [{"title": "Declared", "rows": [["Company", "Beacon Labs"]], "paragraphs": ["One.\nTwo."]}],
        }
    )
    for piece in (
        "Receipt for a disclosure",
        "D-2026-000123",
        "4:30pm on Friday",
        "a9" * 32,
        "Beacon Labs",
        "Page 1 of 1",
    ):
        assert piece in text
    assert reader.metadata is not None
    assert reader.metadata.title == "Receipt for a disclosure"
    root: Any = reader.trailer["/Root"]
    assert root["/Lang"] == "en-GB"
    assert root["/MarkInfo"]["/Marked"] == True  # noqa: E712 - pypdf's own boolean


def test_document_counts_its_pages() -> None:
    reader, text = read({"title": "Long", "sections": [{"title": "All", "paragraphs": ["word " * 400] * 5}]})
    assert len(reader.pages) > 1
    assert f"Page {len(reader.pages)} of {len(reader.pages)}" in text


@pytest.mark.parametrize(
    "hostile",
    [
        '#read("/etc/passwd")',
        "= Heading",
        "*bold* _it_ $x^2$",
        "#panic()",
        '"]) #sys.inputs',
        "@ref <label>",
        "\\u{41}",
    ],
)
def test_document_shows_markup_as_text(hostile: str) -> None:
    _, text = read(
        {"title": f"T {hostile}", "lines": [[hostile, hostile]], "sections": [{"title": "S", "paragraphs": [hostile]}]}
    )
    assert text.count(hostile) == 4


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Łódź Ærø – “x” Ω Я", "Łódź Ærø – “x” Ω Я"),
        ("株式会社 Beacon", "[U+682A][U+5F0F]"),
        ("thanks 🙂", "thanks [U+1F642]"),
        ("bell\x07 and \u202eturned", "bell[U+0007] and [U+202E]turned"),
    ],
)
def test_document_writes_what_it_cannot_draw_as_numbers(given: str, shown: str) -> None:
    _, text = read({"title": "Names", "lines": [["Company", given]]})
    assert shown in text


def test_document_is_the_same_for_the_same_data() -> None:
    data = {"title": "Receipt", "lines": [["Company", "株式会社"]]}
    assert pdf.render("document.typ", data) == pdf.render("document.typ", data)


def test_render_refuses_what_is_no_template_or_has_no_title() -> None:
    with pytest.raises(FileNotFoundError):
        pdf.render("../../config/settings.py", {"title": "x"})
    with pytest.raises(ValueError, match="title"):
        pdf.render("document.typ", {"title": " "})
