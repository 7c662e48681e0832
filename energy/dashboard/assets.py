"""The static tree, read, hashed and compressed once; no build step."""

import gzip
import hashlib
import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

STATIC = Path(__file__).parent / "static"
LANGUAGES = ("en", "ko")
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
SCREENS = (
    "overview", "plan", "grid", "market", "ledger", "forecasts", "assets", "dr", "alarms",
    "reports", "settings", "people",
)  # fmt: skip
PUBLIC_SCREENS = ("home", "verify", "statement", "sign_in")  # pages of their own, for everybody
ACCESSES = ("demo", "read", "operate")  # without sign-in; by who may read, or act as well
WORD = re.compile(r"%([a-z0-9_.]+)%")
IMPORTED = re.compile(r'^(?:import|export)\b[^;]*?from "(\.[^"]+)";', re.MULTILINE)


class AssetError(Exception):
    """The static tree cannot be served; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class Asset:
    """One file as it goes over the wire."""

    media_type: str
    plain: bytes
    compressed: bytes  # gzip

    def body(self, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
        """Bytes and content headers for what the reader says it accepts."""
        if accepts_gzip(accept_encoding) and len(self.compressed) < len(self.plain):
            return self.compressed, {"Content-Encoding": "gzip"}
        return self.plain, {}


@dataclass(frozen=True)
class Edition:
    """What one copy of a page is made for."""

    language: str
    theme: str
    screen: str = SCREENS[0]
    access: str = ""  # one of ACCESSES on the operators' screens


@dataclass(frozen=True)
class AssetTree:
    """All assets by path below `static/`, and the hash that names this very tree."""

    tree_hash: str  # 16 hex digits
    files: Mapping[str, Asset]
    catalogues: Mapping[str, Mapping[str, str]]  # language -> key -> text
    pages: Mapping[str, str]  # file name -> HTML with %placeholders%

    @property
    def prefix(self) -> str:
        """Path under which the tree is served, without a slash at the end."""
        return f"/assets/{self.tree_hash}"


def read_asset_tree(folder: Path = STATIC) -> AssetTree:
    """The tree below `folder`; equal bytes give the same hash on every machine."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    files: dict[str, Asset] = {}
    pages: dict[str, str] = {}
    for path in paths:
        name, content = path.relative_to(folder).as_posix(), path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
        if path.suffix == ".html":
            pages[name] = content.decode()
        elif path.suffix in MEDIA_TYPES:
            files[name] = make_asset(MEDIA_TYPES[path.suffix], content)
        else:
            raise AssetError(
                f"{name}: files ending in {path.suffix!r} are not served; "
                f"allowed are .html {' '.join(MEDIA_TYPES)}"
            )
    catalogues = {language: _words(files, language) for language in LANGUAGES}
    return AssetTree(digest.hexdigest()[:16], files, catalogues, pages)


def _words(files: Mapping[str, Asset], language: str) -> dict[str, str]:
    """All texts of a language: the catalogue of all pages, and those that single pages load."""
    words: dict[str, str] = json.loads(files[f"i18n/{language}.json"].plain)
    for path, asset in files.items():
        if path.startswith("i18n/") and path.endswith(f".{language}.json"):
            words |= json.loads(asset.plain)
    return words


def make_asset(media_type: str, content: bytes) -> Asset:
    """An asset with its compressed twin; without a time stamp, so that bytes repeat."""
    return Asset(media_type, content, gzip.compress(content, compresslevel=9, mtime=0))


def build_page(tree: AssetTree, name: str, edition: Edition) -> Asset:
    """The HTML file `name` in one edition, with every placeholder filled.

    `%word.key%` is a text of the catalogue; `%title%`, `%skip%`, `%loading%` and
    `%noscript%` are the screen's own; `%screen%`, `%language%`, `%theme%` and `%access%`
    are the edition; `%assets%` is the tree's prefix, `%modules%` one
    preload line for each module that the screen loads, `%styles%` the sheet that only it needs,
    `%current.x%` marks the link to the screen that is shown.
    """
    words, screen = tree.catalogues[edition.language], edition.screen
    given = {
        "assets": tree.prefix,
        "language": edition.language,
        "theme": edition.theme,
        "screen": screen,
        "access": edition.access,
        "modules": _preloads(tree, f"js/open_{screen}.js"),
        "styles": _own_style(tree, screen),
        **{f"current.{one}": ' aria-current="page"' * (one == screen) for one in SCREENS},
    }
    own = {one: f"screen.{screen}.{one}" for one in ("title", "skip", "loading", "noscript")}

    def fill(match: re.Match[str]) -> str:
        key = match[1]
        if key in given:
            return given[key]
        key = own.get(key, key)
        if key not in words:
            raise AssetError(f"{name}: %{key}% is in no catalogue of language {edition.language}")
        return escape(words[key])

    return make_asset("text/html; charset=utf-8", WORD.sub(fill, tree.pages[name]).encode())


def modules_of(tree: AssetTree, entry: str) -> list[str]:
    """Paths of a module and of all that it imports, near or far, sorted."""
    found: set[str] = set()
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        if path not in tree.files:
            raise AssetError(f"{path} is imported and is not there")
        found.add(path)
        for target in IMPORTED.findall(tree.files[path].plain.decode()):
            waiting.append(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)))
    return sorted(found)


def _preloads(tree: AssetTree, entry: str) -> str:
    if entry not in tree.files:
        return ""
    return "\n".join(
        f'<link rel="modulepreload" href="{tree.prefix}/{path}">'
        for path in modules_of(tree, entry)
    )


def _own_style(tree: AssetTree, screen: str) -> str:
    path = f"css/{screen}.css"
    return f'<link rel="stylesheet" href="{tree.prefix}/{path}">' if path in tree.files else ""


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110: `q=0` forbids)."""
    for part in accept_encoding.lower().split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            quality = parameters.replace(" ", "").removeprefix("q=")
            return quality.strip("0.") != "" if quality else True
    return False
