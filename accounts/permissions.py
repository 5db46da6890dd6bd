"""The permission kernel: one table of rules per app, one function that reads it.

From a rule come the 403, the 409, the buttons on the page, the API's allowed actions and the state diagram in docs/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied

from web.problems import Conflict

Unless = Callable[[Any, Any], str | None]


@dataclass(frozen=True)
class Rule:
    """Who may do one thing, and when.

    `roles`: roles that may (empty: only the system). `system`: the sweeps may too. `from_states`: states of the object
    in which it can be done (None: any). `to_state`: the state after it (None: unchanged). `unless`: predicates
    `(user, obj) -> reason | None`; a reason refuses with 403. `label`: the words on the button.
    """

    label: str
    roles: frozenset[str] = frozenset()
    system: bool = False
    from_states: frozenset[str] | None = None
    to_state: str | None = None
    unless: tuple[Unless, ...] = ()

    @property
    def after(self) -> str:
        """The state after it, for the action that makes the change. Raises ValueError where nothing changes."""
        if self.to_state is None:
            raise ValueError(f"“{self.label}” changes no state.")
        return self.to_state


Rules = Mapping[str, Rule]


def check(by: Any, rule: Rule, obj: Any = None) -> None:
    """Let the action go on, or say why not.

    Raises the model's DoesNotExist when `by` may not see `obj` (404), PermissionDenied when it is not for `by` to do
    (403), Conflict when the object's state does not allow it (409). `by=None` is the system.
    """
    if by is None:
        if not rule.system:
            raise PermissionDenied("Only a person can do this.")
    else:
        if obj is not None and obj.pk is not None and not _sees(by, obj):
            raise type(obj).DoesNotExist
        reason = _forbids(by, rule, obj)
        if reason is not None:
            raise PermissionDenied(reason)
    if obj is not None and rule.from_states is not None and obj.state not in rule.from_states:
        raise Conflict(f"This can no longer be done: {_named(obj)} is now “{obj.get_state_display().lower()}”.")


def allowed(by: Any, rules: Rules, obj: Any) -> list[str]:
    """The verbs of `rules` that `by` may use on `obj` (None: nothing in particular), which is known to be visible."""
    return [
        verb
        for verb, rule in rules.items()
        if _forbids(by, rule, obj) is None
        and (rule.from_states is None or (obj is not None and obj.state in rule.from_states))
    ]


def _sees(by: Any, obj: Any) -> bool:
    return bool(type(obj)._default_manager.visible_to(by).filter(pk=obj.pk).exists())


def _forbids(by: Any, rule: Rule, obj: Any) -> str | None:
    if not by.is_authenticated or not by.is_active or by.role not in rule.roles:
        return "Your role does not allow this."
    for predicate in rule.unless:
        reason = predicate(by, obj)
        if reason is not None:
            return reason
    return None


def _named(obj: Any) -> str:
    return getattr(obj, "reference", "") or f"this {obj._meta.verbose_name}"
