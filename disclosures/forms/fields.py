"""Fields that the forms of this app share: text, numbers, lists and times as people type them."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from disclosures.schema import MOST, MOST_LINES, wrong_line
from web.fields import time_of_day

_BETWEEN_DIGITS = re.compile(r"[\s,\u2019']")


class PlainText(forms.CharField):
    """Text with the line ends that are stored: a browser sends two characters for each, and that is no change."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        message = f"{self.label} holds a character that cannot be kept. Type it again without it"
        self.error_messages["null_characters_not_allowed"] = message

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value) or "").replace("\r\n", "\n").replace("\r", "\n")


class WholeField(forms.IntegerField):
    """A whole number as people write it: "1,200,000" and "1 200 000" as well."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=MOST, **kwargs)
        self.error_messages["max_value"] = f"{self.label} must be {MOST:,} or less"

    def to_python(self, value: Any) -> int | None:
        text = _BETWEEN_DIGITS.sub("", str(value if value is not None else ""))
        if not text:
            return None
        sign, digits = text[: text.startswith("-")], text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal()):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        # int() refuses thousands of digits; forty are too many in any case.
        return int(sign + (digits.lstrip("0")[:40] or "0"))


class LinesField(PlainText):
    """A list, one a line; gives the lines without empty ones, each once. An error names the line it is about."""

    def __init__(self, *, longest: int, spaces: bool, **kwargs: Any) -> None:
        self.longest, self.spaces = longest, spaces
        area = {"rows": 5, "spellcheck": "false", "class": "candour-code"}
        # Not stripped: an empty line at the beginning counts when an error names a line.
        super().__init__(widget=forms.Textarea(attrs=area), strip=False, **kwargs)

    def clean(self, value: Any) -> Any:
        """The lines. Raises ValidationError with the number of the first that cannot be one."""
        text = super().clean(value)
        found: list[str] = []
        for number, line in enumerate(text.split("\n"), start=1):
            said = line.strip()
            if not said:
                continue
            wrong = wrong_line(said, longest=self.longest, spaces=self.spaces)
            if wrong:
                raise ValidationError(f"{self.label}, line {number}: {wrong}")
            found.append(said)
        found = list(dict.fromkeys(found))
        if len(found) > MOST_LINES:
            raise ValidationError(f"{self.label}: enter {MOST_LINES:,} lines or fewer; there are {len(found):,}")
        return found


class TimeField(forms.CharField):
    """A time of day as people write it ("9am", "16:30"); gives it as HH:MM."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=20, widget=forms.TextInput(attrs={"class": "govuk-input--width-5"}), **kwargs)

    def clean(self, value: Any) -> Any:
        """The time, or nothing. Raises ValidationError for what is no time."""
        text = super().clean(value)
        if not text:
            return ""
        found = time_of_day(text)
        if found is None:
            raise ValidationError(f"{self.label} must be a time such as 16:30 or 4:30pm")
        return f"{found:%H:%M}"
