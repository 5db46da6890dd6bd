"""Hands on the keyboard alone: Tab, Shift+Tab, Space, Enter and the arrows. The focus is followed at every step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from tests.journeys.visitor import Visitor

MOST_TABS = 300

# Where the focus is, and whether somebody who looks at the screen can tell. The design system draws the focus of radios
# and checkboxes on the label beside them.
_FOCUS = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return {where: "nowhere"};
  const box = e.matches("input[type=radio], input[type=checkbox]");
  const style = box ? getComputedStyle(e.labels[0], "::before") : getComputedStyle(e);
  const rect = e.getBoundingClientRect();
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return {
    where: `${e.tagName.toLowerCase()} ${e.id} ${e.name || ""} ${e.innerText || ""}`.slice(0, 120),
    marked: outlined || style.boxShadow !== "none",
    sized: rect.width > 0 && rect.height > 0,
    inside: rect.bottom > 0 && rect.top < innerHeight && rect.right > 0 && rect.left < innerWidth,
  };
}"""


class Keyboard:
    """Drives a visitor's page without a pointer."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page = visitor.page

    def key(self, name: str) -> None:
        self.page.keyboard.press(name)

    def tab(self, *, back: bool = False) -> None:
        """One step, after which the focus is somewhere that can be seen."""
        self.key("Shift+Tab" if back else "Tab")
        focus = self.page.evaluate(_FOCUS)
        if focus["where"] == "nowhere":  # past the last control: the browser's own bar is next
            self.key("Shift+Tab" if back else "Tab")
            focus = self.page.evaluate(_FOCUS)
        assert focus["where"] != "nowhere", f"{self.page.url}: the focus is lost"
        assert focus["marked"], f"{self.page.url}: nobody sees that the focus is on {focus['where']}"
        assert focus["sized"], f"{self.page.url}: {focus['where']} has the focus and no size"
        assert focus["inside"], f"{self.page.url}: {focus['where']} has the focus and is out of sight"

    def to(self, selector: str) -> None:
        """Tab until the focus is on the control; in a group of radios, on any of it."""
        target = self.page.locator(selector).first
        there = """e => document.activeElement === e || (e.type === "radio"
            && document.activeElement.type === "radio" && document.activeElement.name === e.name)"""
        for _ in range(MOST_TABS):
            if target.evaluate(there):
                return
            self.tab()
        raise AssertionError(f"{self.page.url}: {selector} is not reached in {MOST_TABS} steps")

    def go_on(self, selector: str) -> None:
        """Tab to a link or a button and press Enter."""
        self.to(selector)
        with self.page.expect_navigation() as going:
            self.key("Enter")
        self.visitor._arrived(going.value)

    def link(self, text: str, *, within: str = "main") -> None:
        self.go_on(f'{within} a:has-text("{text}")')

    def button(self, text: str) -> None:
        self.go_on(f'main button:text-is("{text}"), main a[role=button]:text-is("{text}")')

    def answer(self, answers: Mapping[str, Any]) -> None:
        """Answer the questions that are in sight, in the order given."""
        for name, value in answers.items():
            if value is None or value in ("", []):
                continue
            if isinstance(value, date):
                for part, number in (("day", value.day), ("month", value.month), ("year", value.year)):
                    self._one(f"{name}_{part}", str(number))
            elif isinstance(value, Path):
                # The window in which one chooses a file is the system's: only its answer is given by the test.
                self.to(f'[name="{name}"]')
                self.page.locator(f'input[type=file][name="{name}"]').set_input_files(value)
            else:
                for one in value if isinstance(value, list) else [value]:
                    self._one(name, str(one))

    def _one(self, name: str, text: str) -> None:
        box = self.page.locator(f'[name="{name}"]:visible')
        if box.count() == 0:
            return
        kind = box.first.evaluate("e => e.type")
        if kind == "radio":
            self._choose(name, text)
        elif kind == "checkbox":
            chosen = f'[name="{name}"]' if text == "on" else f'[name="{name}"][value="{text}"]'
            self.to(chosen)
            if not self.page.locator(chosen).is_checked():
                self.key("Space")
        else:
            self.to(f'[name="{name}"]:visible')
            self.key("Control+a")
            self.page.keyboard.type(text) if len(text) < 40 else self.page.keyboard.insert_text(text)

    def _choose(self, name: str, value: str) -> None:
        wanted = f'[name="{name}"][value="{value}"]'
        self.to(wanted)
        if self.page.locator(wanted).is_checked():
            return
        self.key("Space")
        for _ in range(20):
            if self.page.locator(wanted).is_checked():
                return
            self.key("ArrowDown")
        raise AssertionError(f"{self.page.url}: the arrows do not reach {wanted}")
