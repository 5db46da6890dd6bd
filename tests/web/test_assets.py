"""The design system's files on their way into static/vendor/."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from web import assets

CSS = (
    "@font-face{font-family:GDS Transport;src:url(/assets/fonts/a.woff2)}:root{--a:1}"
    ".a{font-family:GDS Transport,arial,sans-serif;background:url(/assets/images/tick.svg)}"
    ".b{background-image:url(/assets/images/govuk-crest.svg)}\n/*# sourceMappingURL=a.css.map */"
)


def test_rewrite_makes_addresses_relative_and_drops_what_is_not_ours() -> None:
    found = assets.rewrite_css(CSS, images={"tick.svg"})
    assert (
        found
        == ':root{--a:1}.a{font-family:arial,sans-serif;background:url("images/tick.svg")}.b{background-image:none}\n'
    )
    assert ":root" not in assets.rewrite_css(CSS, images={"tick.svg"}, keep_root=False)


def test_rewrite_refuses_an_image_that_is_not_there() -> None:
    with pytest.raises(assets.AssetsMissing, match="tick"):
        assets.rewrite_css(CSS, images=set())


def test_copy_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(assets.AssetsMissing, match="npm ci"):
        assets.copy(tmp_path, tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()


@pytest.mark.skipif(not assets.MODULES.is_dir(), reason="node_modules/ is not installed")
def test_copied_style_sheets_name_only_files_that_are_there(tmp_path: Path) -> None:
    written = assets.copy(vendor=tmp_path / "vendor")
    assert not [path for path in written if re.search("crest|crown|favicon|logotype|woff", path.name)]
    for path in (path for path in written if path.suffix == ".css"):
        text = path.read_text("utf-8")
        assert "GDS Transport" not in text
        assert "sourceMappingURL" not in text
        for name in re.findall(r'url\("?([^")]+)"?\)', text):
            assert name.startswith("data:") or (path.parent / name).is_file(), name


def test_lock_file_names_no_registry() -> None:
    text = Path(settings.BASE_DIR, "package-lock.json").read_text("utf-8")
    assert "resolved" not in text
    assert "http" not in text
