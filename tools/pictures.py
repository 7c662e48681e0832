"""Pictures of every page of a running district: light, dark and as a phone shows it.

    microgrid up &
    python tools/pictures.py [--url http://127.0.0.1:8000] [--member 0] [--folder docs/pages]

The demonstration must run on that address. The pages of a household are seen as its own wallet sees
them: the key of one member of the simulated crowd signs in.
"""

import argparse
import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from energy.crowd import build_crowd
from energy.dashboard.assets import PUBLIC_SCREENS, SCREENS
from energy.district import load_district
from market.signing import address_of, checksum_address, personal_digest, sign

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1360, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1360, "height": 900}},
    "phone": {
        "color_scheme": "light",
        "viewport": {"width": 390, "height": 844},
        "is_mobile": True,
        "has_touch": True,
    },
}
HEIGHT_MAX, QUALITY = 3_000, 50
SETTLE_MS = 2_500


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--member", type=int, default=0, help="row of the crowd that signs in")
    parser.add_argument("--folder", type=Path, default=Path("docs/pages"))
    parser.add_argument("--only", nargs="*", default=[*SCREENS, *PUBLIC_SCREENS])
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    key = key_of(asked.url, asked.member)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for name, screen, page in pages(browser, asked, key):
            path = asked.folder / f"{screen}-{name}.jpg"
            height = min(page.evaluate("document.documentElement.scrollHeight"), HEIGHT_MAX)
            width = page.viewport_size["width"] if page.viewport_size else 0
            page.set_viewport_size({"width": width, "height": max(height, 600)})
            page.wait_for_timeout(SETTLE_MS / 5)
            page.screenshot(path=path, type="jpeg", quality=QUALITY)
            sys.stdout.write(f"{path}: {path.stat().st_size / 1000:.0f} kB\n")
        browser.close()


def key_of(url: str, member: int) -> bytes:
    """The private key of a member of the crowd that belongs to the served district."""
    with urllib.request.urlopen(f"{url}/v1/settings", timeout=60) as answer:
        told = {one["name"]: one["value"] for one in json.load(answer)["items"]}
    crowd = build_crowd(load_district(told["district"]), int(told["seed"]))
    return crowd.private_key[member]


def pages(
    browser: Browser, asked: argparse.Namespace, key: bytes
) -> Iterator[tuple[str, str, Page]]:
    """Each page in each look, loaded and at rest."""
    for name, look in LOOKS.items():
        with browser.new_context(base_url=asked.url, locale="en-GB", **look) as context:
            for screen in asked.only:
                if screen in ("home", "statement"):
                    sign_in(context, asked.url, key)
                page = context.new_page()
                page.goto("/" if screen == SCREENS[0] else f"/{screen.replace('_', '-')}")
                page.wait_for_timeout(SETTLE_MS)
                yield name, screen, page
                page.close()
                context.clear_cookies()


def sign_in(context: BrowserContext, url: str, key: bytes) -> None:
    """The wallet's session becomes the browser's."""
    headers = {"Origin": url, "Content-Type": "application/json"}

    def post(path: str, body: object) -> dict[str, str]:
        answer = context.request.post(path, data=json.dumps(body), headers=headers)
        if not answer.ok:
            raise SystemExit(f"sign-in: {path} answered {answer.status}, {answer.text()[:300]}")
        told: dict[str, str] = answer.json()
        return told

    asked = post("/v1/session/nonce", {"address": checksum_address(address_of(key))})
    signature = sign(key, personal_digest(asked["message"].encode()))
    proof = {"message": asked["message"], "signature": f"0x{signature.hex()}"}
    post("/v1/session/wallet", proof)


if __name__ == "__main__":
    main()
