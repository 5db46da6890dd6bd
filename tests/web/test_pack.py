"""The `govuk` template pack and the error summary: every kind of field, every tie between its parts."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from crispy_forms.layout import Div, Fieldset, Layout, Submit
from crispy_forms.utils import render_crispy_form
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import RequestFactory

from web.fields import DayField, MomentField
from web.forms import Form, add_errors
from web.problems import Invalid

pytestmark = pytest.mark.django_db  # the layout's context processor reads the scheme

BAD = "<img src=x onerror=alert(1)>"
PAIRS = [("a", "First"), ("b", f"Second {BAD}")]


class Every(Form):
    """One field of each kind."""

    reveals = {"known": {"b": ["how"]}}

    text = forms.CharField(label=f"Text {BAD}", help_text=f"Hint {BAD}", max_length=20)
    mail = forms.EmailField(label="E-mail address")
    number = forms.IntegerField(label="Number of requests", min_value=1)
    price = forms.DecimalField(label="Price", required=False)
    story = forms.CharField(label="What happened?", widget=forms.Textarea(attrs={"data-maxlength": 50}), max_length=50)
    choice = forms.ChoiceField(label="Nation", choices=[("", "Choose"), *PAIRS])
    known = forms.ChoiceField(label="How is it known?", choices=PAIRS, widget=forms.RadioSelect, help_text="Pick one")
    how = forms.CharField(label="How it was estimated", required=False)
    several = forms.MultipleChoiceField(label="Which?", choices=PAIRS, widget=forms.CheckboxSelectMultiple)
    agree = forms.BooleanField(label=f"I agree {BAD}", help_text="Fully")
    begun = DayField(label="First day", help_text="For example, 27 3 2026")
    seen = MomentField(label="Discovery")
    proof = forms.FileField(label="Evidence")
    secret = forms.CharField(label="Password", widget=forms.PasswordInput)
    token = forms.CharField(widget=forms.HiddenInput)


class Page(HTMLParser):
    """Ids, labels and references of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def values(self, attribute: str, tag: str = "") -> list[str]:
        return [found[attribute] for name, found in self.elements if attribute in found and tag in {"", name}]

    def by_id(self, id_: str) -> tuple[str, dict[str, str]]:
        (one,) = [(name, found) for name, found in self.elements if found.get("id") == id_]
        return one


def page(form: forms.BaseForm, **context: Any) -> str:
    return render_to_string("components/form.html", {"form": form, **context}, request=RequestFactory().get("/"))


@pytest.fixture
def refused() -> Every:
    form = Every({"text": "x" * 30, "begun_day": "1", "begun_year": "2026", "seen_time": "25:00", "seen_day": "1"})
    assert not form.is_valid()
    form.add_error(None, "The figures do not add up")
    return form


def test_every_control_has_a_label_and_every_reference_leads_somewhere(refused: Every) -> None:
    for form in (Every(), refused):
        found = Page(page(form))
        ids = found.values("id")
        assert len(ids) == len(set(ids)), "an id twice"
        for name in ("aria-describedby", "aria-controls", "for"):
            for value in found.values(name):
                assert set(value.split()) <= set(ids), (name, value)
        labelled = set(found.values("for", "label"))
        for tag, attributes in found.elements:
            if tag in {"input", "select", "textarea"} and attributes.get("type") != "hidden":
                assert attributes["id"] in labelled, attributes


def test_every_error_link_leads_to_a_control_that_takes_focus(refused: Every) -> None:
    found = Page(page(refused))
    links = [href.removeprefix("#") for href in found.values("href", "a")]
    assert len(links) == len([error for errors in refused.errors.values() for error in errors]) - 1  # the hidden token
    for link in links:
        tag, attributes = found.by_id(link)
        assert tag in {"input", "select", "textarea"}
        assert attributes.get("type") != "hidden"
    assert {"id_text", "id_known_0", "id_several_0", "id_begun_month", "id_agree", "id_proof", "id_choice"} <= set(
        links
    )
    assert "id_seen_month" in links


def test_errors_are_marked_on_their_own_control_alone(refused: Every) -> None:
    found = Page(page(refused))
    assert found.by_id("id_text")[1]["aria-invalid"] == "true"
    assert found.by_id("id_begun_month")[1]["aria-invalid"] == "true"
    assert "aria-invalid" not in found.by_id("id_begun_day")[1]
    assert "aria-invalid" not in found.by_id("id_price")[1]
    assert found.by_id("id_begun_day")[1]["value"] == "1"


def test_hint_comes_before_error_in_what_describes_a_control(refused: Every) -> None:
    found = Page(page(refused))
    assert found.by_id("id_text")[1]["aria-describedby"] == "id_text-hint id_text-error"
    assert found.by_id("id_story")[1]["aria-describedby"] == "id_story-error id_story-info"
    assert "id_begun-hint id_begun-error" in found.values("aria-describedby", "fieldset")


def test_labels_hints_choices_and_errors_are_escaped(refused: Every) -> None:
    add_errors(refused, Invalid({"mail": [BAD]}))
    for html in (page(refused), render_crispy_form(refused)):
        assert "<img" not in html
        assert "&lt;img" in html


def test_both_ways_of_crispy_draw_the_same_fields() -> None:
    by_tag = Page(Template("{% load crispy_forms_tags %}{% crispy form %}").render(Context({"form": Every()})))
    by_filter = Page(Template("{% load crispy_forms_tags %}{{ form|crispy }}").render(Context({"form": Every()})))
    assert by_tag.values("id") == by_filter.values("id")
    assert not by_tag.values("method", "form")


def test_layouts_draw_their_parts() -> None:
    class Laid(Form):
        text = forms.CharField(label="Text")
        other = forms.CharField(label="Other")

        @property
        def helper(self) -> Any:
            helper = super().helper
            helper.layout = Layout(
                Fieldset("Where", "text", css_class="x"), Div("other", css_class="y"), Submit("go", "Go")
            )
            return helper

    html = render_crispy_form(Laid())
    assert "Where</legend>" in html
    found = Page(html)
    assert {"id_text", "id_other"} <= set(found.values("id"))
    assert found.values("value", "button") == ["Go"]


def test_fields_say_whether_they_are_needed() -> None:
    form = Every()
    form.fields["how"].marker = f"Needed if estimated {BAD}"  # type: ignore[attr-defined]
    html = page(form)
    assert "Price (optional)</label>" in html
    assert "(Needed if estimated &lt;img" in html
    assert "How it was estimated (optional)" not in html
    assert html.count("(optional)") == 1


def test_revealed_field_stands_once_inside_its_answer() -> None:
    html = page(Every())
    assert html.count('id="id_how"') == 1
    assert html.index('id="id_known_1"') < html.index('id="id_how"') < html.index('id="id_several"')


def test_revealed_field_with_an_error_is_in_sight() -> None:
    form = Every({"known": "a"})
    form.add_error("how", "Say how")
    assert "candour-more--open" in page(form)


def test_form_tag_has_token_encoding_and_no_browser_validation() -> None:
    html = page(Every(), submit="Send it")
    assert re.search(r'<form method="post"[^>]* novalidate enctype="multipart/form-data">', html)
    assert "csrfmiddlewaretoken" in html
    assert "Send it</button>" in html
    assert not Page(html).values("required")
    assert "csrfmiddlewaretoken" not in page(Every(), method="get")


def test_number_is_plain_text_with_a_keypad() -> None:
    found = Page(page(Every()))
    assert found.by_id("id_number")[1]["type"] == "text"
    assert found.by_id("id_number")[1]["inputmode"] == "numeric"
    assert found.by_id("id_price")[1]["inputmode"] == "decimal"


def test_password_is_never_sent_back() -> None:
    form = Every({"secret": "a long password"})
    assert "a long password" not in page(form)


def test_messages_name_their_field() -> None:
    form = Every(
        {"text": "x" * 21, "mail": "x", "number": "0", "price": "y"}, {"proof": SimpleUploadedFile("a.txt", b"")}
    )
    assert form.errors["text"] == [f"Text {BAD} must have 20 characters or fewer; it has 21"]
    assert form.errors["mail"] == ["E-mail address must look like name@example.com"]
    assert form.errors["number"] == ["Number of requests must be 1 or more"]
    assert form.errors["price"] == ["Price must be a number, such as 1200 or 12.5"]
    assert form.errors["proof"] == ["The submitted file is empty."]
    assert form.errors["story"] == ["What happened? This needs an answer"]
    assert form.errors["secret"] == ["Enter password"]
    assert form.errors["several"] == ["Which? This needs an answer"]


def test_message_of_the_author_stays() -> None:
    class Own(Form):
        name = forms.CharField(error_messages={"required": "Say who you are"}, max_length=5)
        url = forms.CharField(label="URL of 100% of it", max_length=2)
        file = forms.FileField(max_length=3)

    form = Own({"url": "abc"}, {"file": SimpleUploadedFile("long.txt", b"x")})
    assert form.errors["name"] == ["Say who you are"]
    assert form.errors["url"] == ["URL of 100% of it must have 2 characters or fewer; it has 3"]
    assert "filename" in form.errors["file"][0]


def test_add_errors_puts_each_where_it_belongs() -> None:
    form = Every({})
    form.errors.clear()
    add_errors(form, Invalid({"": ["Whole"], "text": ["Here"], "nowhere": ["Stray"]}, mail="There"))
    assert form.errors["text"] == ["Here"]
    assert form.errors["mail"] == ["There"]
    assert form.non_field_errors() == ["Whole", "Stray"]


def test_summary_stands_once_and_the_title_says_error(refused: Every) -> None:
    source = '{% extends "base.html" %}{% block title %}Ask{% endblock %}{% block content %}'
    source += '{% include "components/form.html" %}'
    html = Template(source + "{% endblock %}").render(Context({"form": refused}))
    assert html.count("There is a problem") == 1
    assert html.index("There is a problem") < html.index("<form method")
    assert "<title>Error: Ask – Candour</title>" in html
    clean = Template(source + "{% endblock %}").render(Context({"form": Every()}))
    assert "<title>Ask – Candour</title>" in clean
    assert "There is a problem" not in clean


def test_summary_takes_several_forms_and_forms_that_are_not_ours() -> None:
    class Plain(forms.Form):
        name = forms.CharField(label="Name")

    found = render_to_string("components/error_summary.html", {"forms": [Plain({}, prefix="a"), Plain({}, prefix="b")]})
    assert Page(found).values("href") == ["#id_a-name", "#id_b-name"]
    assert "Name: this field is required." in found


def test_formset_draws_its_forms() -> None:
    formset = forms.formset_factory(Every, extra=2)()
    found = Page(Template("{% load crispy_forms_tags %}{{ formset|crispy }}").render(Context({"formset": formset})))
    assert {"id_form-0-text", "id_form-1-begun_month", "id_form-TOTAL_FORMS"} <= set(found.values("id"))
