"""The page that most verbs need: one form, one action, one way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from web.forms import add_errors
from web.problems import Invalid


def form_page(
    request: HttpRequest,
    form: BaseForm,
    act: Callable[[dict[str, Any]], Any],
    *,
    title: str,
    submit: str,
    back: str,
    done: str,
    intro: str = "",
    warning: bool = False,
    then: Callable[[Any], str] | None = None,
    template: str = "form_page.html",
    **context: Any,
) -> HttpResponse:
    """Show `form`; when it is sent and sound, call `act` with its data, say `done` and go `back` (or where `then` says).

    What the form or the action refuses is shown beside the fields with everything that was typed, as a 400.
    """
    if request.method == "POST" and form.is_valid():
        try:
            result = act(form.cleaned_data)
        except Invalid as invalid:
            add_errors(form, invalid)
        else:
            messages.success(request, done)
            return redirect(then(result) if then else back)
    page = {"form": form, "title": title, "submit": submit, "back": back, "intro": intro, "warning": warning, **context}
    return render(request, template, page, status=400 if form.errors else 200)


def sent(request: HttpRequest) -> dict[str, Any]:
    """The arguments of a form for this request: what was posted, or nothing."""
    return {"data": request.POST, "files": request.FILES} if request.method == "POST" else {}


def row_number(text: str) -> int | None:
    """The number of a row as it stands in an address; None for what no row can have."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
