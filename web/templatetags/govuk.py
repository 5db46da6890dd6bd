"""Tags of the `govuk` crispy template pack and of the error summary."""

from collections.abc import Iterable
from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField
from django.template.context import Context

from web import controls

register = template.Library()


@register.simple_tag
def control(bound: BoundField) -> controls.Control:
    """`{% control field as c %}`: what the pack's templates draw."""
    bound.form.use_required_attribute = False  # also for forms that are not ours
    return controls.control(bound)


@register.simple_tag
def top_fields(form: forms.BaseForm) -> list[BoundField]:
    """The fields that are not drawn inside another field's answer."""
    hidden_elsewhere = controls.revealed_by(form)
    return [bound for bound in form if bound.name not in hidden_elsewhere]


def _forms(form: Any, several: Iterable[Any] | None) -> list[Any]:
    return [found for found in [form, *(several or [])] if hasattr(found, "errors") and hasattr(found, "fields")]


@register.simple_tag
def error_entries(form: Any = None, forms: Iterable[Any] | None = None) -> list[dict[str, str]]:
    """Entries of the error summary for a form or several.

    A form is summed up once a page: at the top by base.html when the context calls it `form` (or lists it in `forms`),
    else where the form itself stands.
    """
    entries = []
    for found in _forms(form, forms):
        if found.is_bound and not getattr(found, "summed_up", False):
            found.summed_up = True
            entries += controls.summary(found)
    return entries


@register.simple_tag(takes_context=True)
def title_prefix(context: Context) -> str:
    """ "Error: " when the page shows a form that was refused, so that the tab says so as well."""
    found = _forms(context.get("form"), context.get("forms"))
    return "Error: " if any(form.is_bound and form.errors for form in found) else ""


@register.simple_tag
def has_marks(form: forms.BaseForm) -> bool:
    """True when some questions are marked optional or conditional, so that the page should explain the rest."""
    visible = form.visible_fields()
    return len(visible) > 1 and any(controls.marker_of(bound) for bound in visible)
