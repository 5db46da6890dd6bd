"""PDFs that screen readers can read (PDF/UA-1), made by typst from the templates in templates/pdf/."""

import json
import re
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import typst
from django.conf import settings

# PDF/UA refuses a character that no font can draw, so typst names it and stops.
_UNDRAWABLE = re.compile(r'the text `"(.+?)"` could not be displayed', re.DOTALL)
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")
_TURNERS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ROUNDS = 40


@cache
def _folder() -> Path:
    return Path(settings.BASE_DIR) / "templates" / "pdf"


def render(template_source: str, data: dict[str, Any]) -> bytes:
    """Compiles `templates/pdf/<template_source>` with `data` and returns the PDF.

    `data` needs a `title`. It reaches the template as one JSON string and is placed as text, so nothing in it can act
    as markup or read a file. The same data gives the same bytes: no clock, no system font. A character that the fonts
    inside typst lack (Chinese, Thai, emoji) is written as its number, such as [U+682A]: losing it silently, or failing
    to issue a receipt because of a name, would be worse.

    Raises FileNotFoundError for an unknown template, ValueError without a title, and typst.TypstError when the template
    itself is at fault.
    """
    source = _folder() / Path(template_source).name
    if not source.is_file():
        raise FileNotFoundError(f"There is no PDF template {template_source}.")
    if not str(data.get("title") or "").strip():
        raise ValueError("A PDF needs a title: it is what a screen reader says first.")
    plain = json.loads(json.dumps(data, default=str))
    if settings.SANDBOX:
        plain["sandbox"] = "Made in the sandbox. Nothing in it counts."
    lacking: set[str] = set()

    def unfit(char: str) -> bool:
        return _never(char) or _kind(char) in lacking

    for _ in range(_ROUNDS):
        try:
            return _compile(source, _replace(plain, unfit))
        except typst.TypstError as error:
            found = {_kind(char) for char in _culprits(str(error))} - lacking
            if not found:
                raise
            lacking |= found
    # Text of very many rare characters: keep what every font here has.
    return _compile(source, _replace(plain, lambda char: _never(char) or char > "\u024f"))


def _compile(source: Path, data: Any) -> bytes:
    pdf: bytes = typst.compile(
        str(source),
        root=str(source.parent),
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data)},
        pdf_standards=["ua-1"],
        timestamp=0,
    )
    return pdf


def _culprits(message: str) -> list[str]:
    match = _UNDRAWABLE.search(message)
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), match[1]) if match else ""
    return [char for char in text if not char.isascii()]


def _kind(char: str) -> str:
    # A script without capitals is lacking as a whole or not at all; elsewhere a single rare letter may be missing.
    if char >= "\U0001f000":
        return "pictograph"
    return unicodedata.name(char, char).split()[0] if unicodedata.category(char) == "Lo" else char


def _never(char: str) -> bool:
    """Control characters, and those that turn the reading direction: on a record they could only mislead."""
    return (unicodedata.category(char) in {"Cc", "Cs", "Co", "Cn"} and char not in "\n\t") or char in _TURNERS


def _replace(value: Any, unfit: Callable[[str], bool]) -> Any:
    if isinstance(value, dict):
        return {key: _replace(inner, unfit) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replace(inner, unfit) for inner in value]
    if isinstance(value, str):
        text = value.replace("\r\n", "\n").replace("\r", "\n")
        return "".join(f"[U+{ord(char):04X}]" if unfit(char) else char for char in text)
    return value
