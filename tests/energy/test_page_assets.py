"""The page's files, headers, words and colours, without a browser."""

import gzip
import http.client
import json
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from itertools import combinations
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from energy.dashboard import install
from energy.dashboard.assets import (
    PUBLIC_SCREENS,
    SCREENS,
    STATIC,
    AssetError,
    AssetTree,
    Edition,
    accepts_gzip,
    build_page,
    modules_of,
    read_asset_tree,
)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
FIRST_VIEW_BYTES_MAX = 60_000  # budget of code and style on the wire
OTHER_VIEW_BYTES_MAX = 20_000  # and of what another screen adds to it
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


Get = Callable[..., Answer]


@pytest.fixture(scope="module")
def get(serve_app: Callable[[FastAPI], str]) -> Get:
    app = FastAPI(docs_url=None, redoc_url=None)
    install(app)
    address = urlsplit(serve_app(app)).netloc

    def ask(path: str, **headers: str) -> Answer:
        line = http.client.HTTPConnection(address, timeout=5)
        line.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        found = line.getresponse()
        answer = Answer(found.status, found.headers, found.read())
        line.close()
        return answer

    return ask


def test_the_page_is_revalidated_and_carries_the_strict_policy(get: Get) -> None:
    page = get("/")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["content-security-policy"] == POLICY
    assert not re.search(r"%[a-z0-9_.]+%", page.text)
    assert " style=" not in page.text
    assert "<style" not in page.text


def test_every_file_that_the_page_names_is_immutable_and_compressed(get: Get) -> None:
    named = set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', get("/").text))
    assert len(named) > 20
    total = 0
    for path in named:
        answer = get(path, accept_encoding="gzip")
        assert answer.status == 200, path
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        total += len(answer.body)
        plain = get(path, accept_encoding="identity")
        assert "content-encoding" not in plain.headers
        packed = answer.headers["content-encoding"] == "gzip"
        assert plain.body == (gzip.decompress(answer.body) if packed else answer.body)
    assert total <= FIRST_VIEW_BYTES_MAX


@pytest.mark.parametrize("screen", [one for one in SCREENS if one != "overview"])
def test_another_screen_adds_little_to_the_first(get: Get, screen: str) -> None:
    named = {
        path: set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', get(path).text))
        for path in ("/", f"/{screen}")
    }
    own = named[f"/{screen}"] - named["/"]
    assert any(path.endswith(f"css/{screen}.css") for path in own)
    assert not any(part in path for path in named["/"] for part in ("wires", "plans", "map.js"))
    size = sum(len(get(path, accept_encoding="gzip").body) for path in own)
    assert size <= OTHER_VIEW_BYTES_MAX


def test_the_page_for_receipts_is_small_and_knows_nothing_of_the_operators(get: Get) -> None:
    page = get("/verify")
    assert page.headers["content-security-policy"] == POLICY
    named = set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', page.text))
    assert not any("operator" in path or "charts" in path for path in named)
    total = sum(len(get(path, accept_encoding="gzip").body) for path in named)
    assert total <= FIRST_VIEW_BYTES_MAX


def test_each_screen_marks_itself_and_carries_the_policy(get: Get) -> None:
    for path, screen in (
        ("/", "overview"),
        ("/plan", "plan"),
        ("/grid", "grid"),
        ("/market", "market"),
    ):
        page = get(path)
        assert page.headers["content-security-policy"] == POLICY
        assert page.headers["cache-control"] == "no-cache"
        marked = re.findall(r'<a href="([^"]+)" aria-current="page"', page.text)
        assert marked == [path]
        assert f'data-screen="{screen}"' in page.text


def test_a_screens_modules_are_all_that_it_imports_and_nothing_else() -> None:
    tree = read_asset_tree()
    screens = (*SCREENS, *PUBLIC_SCREENS)
    loaded = {screen: set(modules_of(tree, f"js/open_{screen}.js")) for screen in screens}
    every = {path for path in tree.files if path.endswith(".js")}
    later = {one for path in every for one in loaded_on_demand(tree, path)}
    assert set().union(*loaded.values(), later) == every  # no module lies about unused
    assert "js/views/operator/wires/limit_form.js" in later - loaded["grid"]
    assert "js/charts/map.js" in loaded["grid"] - loaded["overview"]


def loaded_on_demand(tree: AssetTree, path: str) -> set[str]:
    """What a module loads when it is needed, with all that this imports."""
    names = re.findall(r'\bimport\("(\.[^"]+)"\)', tree.files[path].plain.decode())
    folder = posixpath.dirname(path)
    found = [modules_of(tree, posixpath.normpath(posixpath.join(folder, name))) for name in names]
    return set().union(*found)


def test_an_import_of_a_missing_module_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "a", 'import { x } from "./gone.js";')
    with pytest.raises(AssetError, match=r"gone\.js"):
        modules_of(read_asset_tree(folder), "a.js")


def test_another_trees_hash_is_not_found(get: Get) -> None:
    answer = get("/assets/0000000000000000/js/start.js")
    assert answer.status == 404
    assert answer.headers["cache-control"] == "no-store"


def test_a_path_out_of_the_tree_is_not_found(get: Get) -> None:
    prefix = read_asset_tree().prefix
    assert get(f"{prefix}/%2e%2e/routes.py").status == 404
    assert get(f"{prefix}/operator.html").status == 404


@pytest.mark.parametrize(
    ("cookie", "accept", "language"),
    [
        ("", "", "en"),
        ("", "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("", "fr,ko;q=0.5", "ko"),
        ("language=en", "ko", "en"),
        ("language=<script>", "ko", "ko"),
    ],
)
def test_the_language_is_the_cookies_then_the_readers(
    get: Get, cookie: str, accept: str, language: str
) -> None:
    page = get("/", cookie=cookie, accept_language=accept)
    assert f'<html lang="{language}" data-theme="auto"' in page.text


def test_an_unknown_theme_follows_the_system(get: Get) -> None:
    assert 'data-theme="dark"' in get("/", cookie="theme=dark").text
    assert 'data-theme="auto"' in get("/", cookie="theme=x").text


def test_gzip_is_refused_where_its_weight_is_zero() -> None:
    assert accepts_gzip("br, gzip")
    assert accepts_gzip("gzip;q=0.5")
    assert not accepts_gzip("gzip;q=0")
    assert not accepts_gzip("gzip; q=0.0, br")
    assert not accepts_gzip("")


def test_the_same_tree_has_the_same_hash_and_a_changed_one_another(tmp_path: Path) -> None:
    first = write_tree(tmp_path / "a", "x")
    assert (
        read_asset_tree(first).tree_hash
        == read_asset_tree(write_tree(tmp_path / "b", "x")).tree_hash
    )
    assert (
        read_asset_tree(first).tree_hash
        != read_asset_tree(write_tree(tmp_path / "c", "y")).tree_hash
    )


def test_a_file_of_unknown_kind_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "a", "x")
    (folder / "photo.bmp").write_bytes(b"")
    with pytest.raises(AssetError, match=r"photo\.bmp.*'\.bmp'"):
        read_asset_tree(folder)


def test_a_page_that_names_a_missing_word_is_refused(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "a", "x")
    (folder / "p.html").write_text("<p>%no.such%</p>")
    with pytest.raises(AssetError, match=r"%no\.such%"):
        build_page(read_asset_tree(folder), "p.html", Edition("en", "auto"))


def write_tree(folder: Path, script: str) -> Path:
    (folder / "i18n").mkdir(parents=True)
    (folder / "a.js").write_text(script)
    for language in ("en", "ko"):
        (folder / "i18n" / f"{language}.json").write_text("{}")
    return folder


def catalogue(language: str) -> dict[str, str]:
    """All texts of a language; no key stands in two catalogues."""
    words: dict[str, str] = {}
    for path in (STATIC / "i18n").glob(f"*{language}.json"):
        more = json.loads(path.read_text())
        assert not set(more) & set(words), path.name
        words |= more
    return words


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    english, korean = catalogue("en"), catalogue("ko")
    # Korean has no singular.
    assert {key for key in english if not key.endswith(".one")} == set(korean)
    for key, text in korean.items():
        assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(english[key])), key
        assert text.strip(), key


def test_every_word_that_the_modules_name_is_in_the_catalogue() -> None:
    english = catalogue("en")
    for path in STATIC.rglob("*.js"):
        for key in re.findall(r'words\(\s*"([a-z0-9_.]+)"', path.read_text(), re.IGNORECASE):
            assert key in english, f"{path.name}: {key}"
        for key in re.findall(r'words\.count\(\s*"([a-z0-9_.]+)"', path.read_text()):
            assert f"{key}.other" in english, f"{path.name}: {key}"


def test_no_module_writes_markup_and_none_is_longer_than_a_file_may_be() -> None:
    for path in STATIC.rglob("*.js"):
        source = path.read_text()
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", source
        )
        assert "https://" not in source
        assert source.count("\n") <= 250, path.name


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def tokens(theme: int) -> dict[str, str]:
    text = (STATIC / "css" / "tokens.css").read_text()
    found = re.findall(r"--([a-z-]+): light-dark\((#[0-9A-F]{6}), (#[0-9A-F]{6})\);", text)
    return {name: (light, dark)[theme] for name, light, dark in found}


LOADS = ("load-calm", "load-used", "load-tight", "load-over")
SERIES = ("solar", "fuel-cell", "biogas", "battery", "cars", "kepco", "heat", "market", "use")


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_series_and_every_text_stands_out_from_page_and_card(theme: int) -> None:
    colour = tokens(theme)
    for ground in ("page", "card"):
        for name in (*SERIES, *LOADS, "border"):
            assert contrast(colour[name], colour[ground]) >= 3.0, (name, ground)
        for name in ("text", "muted", "link", "ok-text", "warning-text", "alarm-text"):
            assert contrast(colour[name], colour[ground]) >= 4.5, (name, ground)
    for status in ("ok", "warning", "alarm", "stale"):
        assert contrast(colour[f"{status}-text"], colour[f"{status}-fill"]) >= 4.5, status
        assert contrast(colour[f"{status}-border"], colour["page"]) >= 3.0, status


# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
DEFICIENCIES = {
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def oklab(linear: list[float]) -> tuple[float, float, float]:
    red, green, blue = (min(1.0, max(0.0, c)) for c in linear)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def seen(colour: str, deficiency: str) -> tuple[float, float, float]:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return oklab(
        [sum(f * c for f, c in zip(row, linear, strict=True)) for row in DEFICIENCIES[deficiency]]
    )


@pytest.mark.parametrize("deficiency", sorted(DEFICIENCIES))
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_no_two_series_or_steps_look_alike_to_a_colour_blind_reader(
    theme: int, deficiency: str
) -> None:
    colour = tokens(theme)
    for one, other in (*combinations(SERIES, 2), *combinations(LOADS, 2)):
        pair = zip(seen(colour[one], deficiency), seen(colour[other], deficiency), strict=True)
        distance = 100 * sum((a - b) ** 2 for a, b in pair) ** 0.5
        assert distance >= 8.5, (one, other, distance)
