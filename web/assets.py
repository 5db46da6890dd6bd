"""Copies the prebuilt files of the design system and of htmx from node_modules/ into static/vendor/.

Run as `python -m web.assets` after `npm ci --ignore-scripts`. It needs the standard library only, so that it can run
before anything else is installed.

What is changed on the way, and why:

- root-absolute addresses (`/assets/images/...`) become relative ones, because static files have hashed names here;
- the fonts are left behind: GDS Transport is licensed for GOV.UK's own domain only, and so are the crown and the crest;
- `sourceMappingURL` lines go, because the maps are not copied and a manifest refuses a name that leads nowhere.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}")
_FONT_NAME = re.compile(r"""["']?GDS Transport["']?\s*,\s*""", re.IGNORECASE)
_URL = re.compile(r"""url\(\s*["']?(/assets/[^"')]+)["']?\s*\)""")
_SOURCE_MAP = re.compile(r"(?:/\*[#@]\s*sourceMappingURL=[^*]*\*/|//[#@]\s*sourceMappingURL=\S*)\s*")
_ROOT_TOKENS = re.compile(r":root\s*\{[^}]*\}")
# The marks of the Crown and of one ministry: not ours to wear.
_MARKS = ("crest", "crown", "logotype", "favicon", "opengraph", "touch-icon")


class AssetsMissing(Exception):
    """The packages are not installed, or no longer look as this file expects."""


def rewrite_css(css: str, *, images: set[str], keep_root: bool = True) -> str:
    """Returns `css` with relative addresses of `images`, no fonts, no crest and no source map.

    `keep_root=False` drops `:root` blocks: the second package repeats the first one's colours from an older version.
    """
    css = _SOURCE_MAP.sub("", css)
    css = _FONT_FACE.sub("", css)
    css = _FONT_NAME.sub("", css)
    if not keep_root:
        css = _ROOT_TOKENS.sub("", css)

    def relative(match: re.Match[str]) -> str:
        name = match.group(1).rsplit("/", 1)[-1]
        if name in images:
            return f'url("images/{name}")'
        if any(mark in name for mark in _MARKS):
            return "none"
        raise AssetsMissing(f"The style sheet names {match.group(1)}, which is not among the images.")

    return _URL.sub(relative, css)


def rewrite_js(js: str) -> str:
    """Returns `js` without its source map line."""
    return _SOURCE_MAP.sub("", js)


def copy(modules: Path = MODULES, vendor: Path = VENDOR) -> list[Path]:
    """Fills `vendor` afresh from `modules` and returns the files written.

    Raises AssetsMissing when a package is not there or names a file it does not bring.
    """
    packages = {
        "govuk": (modules / "govuk-frontend/dist/govuk", "govuk-frontend.min"),
        "moj": (modules / "@ministryofjustice/frontend/moj", "moj-frontend.min"),
    }
    htmx = modules / "htmx.org/dist/htmx.min.js"
    for needed in (*(source / f"{stem}.css" for source, stem in packages.values()), htmx):
        if not needed.is_file():
            raise AssetsMissing(f"{needed.parent} has no {needed.name}: run `npm ci --ignore-scripts` first.")
    if vendor.exists():
        shutil.rmtree(vendor)
    (vendor / "htmx").mkdir(parents=True)
    written = [Path(shutil.copyfile(htmx, vendor / "htmx" / htmx.name))]
    for name, (source, stem) in packages.items():
        target = vendor / name
        (target / "images").mkdir(parents=True)
        images = {
            path.name
            for path in (source / "assets/images").iterdir()
            if path.is_file() and not any(mark in path.name for mark in _MARKS) and not path.name.startswith("govuk-")
        }
        css = rewrite_css((source / f"{stem}.css").read_text("utf-8"), images=images, keep_root=name == "govuk")
        used = {image for image in images if f"images/{image}" in css}
        written += [
            Path(shutil.copyfile(source / "assets/images" / image, target / "images" / image)) for image in sorted(used)
        ]
        for suffix, text in ((".css", css), (".js", rewrite_js((source / f"{stem}.js").read_text("utf-8")))):
            path = target / f"{stem}{suffix}"
            path.write_text(text, "utf-8")
            written.append(path)
    return written


def main() -> int:
    """Copies, says how much, and returns the exit code."""
    try:
        written = copy()
    except AssetsMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    print(f"{len(written)} files in {VENDOR.relative_to(ROOT)}/")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
