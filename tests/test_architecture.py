"""The plan of the house, where no linter can see it. Imports are import-linter's (pyproject.toml, `make check`)."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

ROOT = Path(__file__).resolve().parent.parent
# From the roof to the ground; an app sees only what is below it.
LAYERS = ["config", "cases", "monitoring", "disclosures", "evidence", "notifications", "accounts", "ledger", "web"]
OTHER_PYTHON = {"bench", "tests"}
NO_SUCH_FILES = {"common", "helpers", "lib", "managers", "misc", "services", "signals", "utils"}


def _python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def _own_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in LAYERS]


def test_layers_are_those_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert contracts[0]["layers"] == LAYERS


def test_every_package_has_its_place() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - OTHER_PYTHON == set(LAYERS)


def test_every_python_folder_is_a_package() -> None:
    folders = {path.parent for path in _python_files(*LAYERS, *OTHER_PYTHON)}
    assert [str(f.relative_to(ROOT)) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


def test_no_file_is_named_for_nothing() -> None:
    named = [path for path in _python_files(*LAYERS, *OTHER_PYTHON) if path.stem in NO_SUCH_FILES]
    named += [path.parent for path in _python_files(*LAYERS, *OTHER_PYTHON) if path.parent.name in NO_SUCH_FILES]
    assert [str(path.relative_to(ROOT)) for path in named] == []


@pytest.mark.parametrize("model", _own_models(), ids=lambda model: model._meta.label)
def test_relations_point_down(model: type[models.Model]) -> None:
    """A string is an import too. The user model is the one exception."""
    own = LAYERS.index(model._meta.app_label)
    for field in model._meta.get_fields(include_hidden=True):
        related = field.related_model
        if field.auto_created or related is None or isinstance(related, str):
            continue
        if related._meta.label == settings.AUTH_USER_MODEL or related._meta.app_label not in LAYERS:
            continue
        assert LAYERS.index(related._meta.app_label) >= own, f"{model._meta.label}.{field.name} points up"


@pytest.mark.parametrize("model", _own_models(), ids=lambda model: model._meta.label)
def test_no_field_reads_another_clock(model: type[models.Model]) -> None:
    """`auto_now` and its kind ask Django's clock, so a story in the past or a test would be dated today."""
    for field in model._meta.local_fields:
        assert not getattr(field, "auto_now", False), field
        assert not getattr(field, "auto_now_add", False), field
        module = getattr(field.default, "__module__", "")
        assert module != "django.utils.timezone", field


def test_celery_is_known_to_tasks_and_config_only() -> None:
    strangers = []
    for path in _python_files(*LAYERS):
        place = path.relative_to(ROOT)
        if place.parts[0] == "config" or "tasks" in {place.stem, place.parent.name}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.split(".")[0] in {"celery", "kombu"} for name in names):
                strangers.append(str(place))
    assert strangers == []


def test_nobody_schedules_with_celery() -> None:
    """A deadline is a stored instant; a message that waits in a broker for 14 days is not one."""
    forbidden = {"apply_async", "delay", "delay_on_commit", "apply_async_on_commit"}
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _python_files(*LAYERS)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in forbidden
    ]
    assert calls == []


def test_requests_are_not_transactions() -> None:
    """Every action is its own transaction (`durable=True`); a view around it would make that an error."""
    assert settings.DATABASES["default"]["ATOMIC_REQUESTS"] is False
