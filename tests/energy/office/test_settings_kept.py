"""Settings as they hold and as they were: with their source, without their secrets."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from energy.config import Settings, build_settings, shown_settings
from energy.steps.settings_views import keep_start, settings_document
from energy.store.engine import Store

WALL_S = 1_800_000_000
SECRETS = {
    "operator_passphrase": "open sesame and close",
    "alarm_webhook_secret": "sixteen characters and more",
    "alarm_webhooks": "https://example.org/top-secret",
    "alarm_second_webhooks": "https://example.org/second-secret",
    "database_url": "postgresql://kim:pass-phrase@127.0.0.1/grid",
}


def test_each_setting_has_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("microgrid.toml").write_text("seed = 7\nport = 9000\n")
    monkeypatch.setenv("MICROGRID_PORT", "9001")
    monkeypatch.setenv("MICROGRID_HORIZON_SLOTS", "48")
    shown = shown_settings(build_settings(horizon_slots=24))
    found = {name: (one.value, one.source) for name, one in shown.items()}
    assert found["seed"] == ("7", "file")
    assert found["port"] == ("9001", "environment")
    assert found["horizon_slots"] == ("24", "flag")
    assert found["district"] == ("sejong-5-1", "default")
    assert found.keys() == Settings.model_fields.keys()


def test_changes_from_start_to_start_are_kept_without_secrets(store: Store) -> None:
    def start(at_s: int, **given: Any) -> None:
        store.write(lambda connection: keep_start(connection, Settings(**given), at_s))

    start(WALL_S)
    start(WALL_S + 60)
    start(WALL_S + 120, horizon_slots=48, **SECRETS)
    start(WALL_S + 180, horizon_slots=48)
    document = store.read(lambda c: settings_document(c, Settings(horizon_slots=48)))
    changes = [(one["name"], one["old"], one["new"]) for one in document["history"]]
    assert ("horizon_slots", "96", "48") in changes
    assert ("operator_passphrase", "", "•••") in changes
    assert ("operator_passphrase", "•••", "") in changes
    assert len(changes) == 2 * len(SECRETS) + 1
    assert all("@" in one["by"] for one in document["history"])
    text = str(document)
    for secret in ("sesame", "sixteen", "top-secret", "pass-phrase"):
        assert secret not in text
    assert "postgresql://kim:•••@127.0.0.1/grid" in text


def test_the_database_keeps_no_secret(tmp_path: Path) -> None:
    from energy.store.engine import open_store

    path = tmp_path / "kept.db"
    with open_store(f"sqlite:///{path}") as store:
        store.write(lambda connection: keep_start(connection, Settings(**SECRETS), WALL_S))
    stored = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert b"kim" in stored
    for secret in (b"sesame", b"sixteen", b"top-secret", b"pass-phrase"):
        assert secret not in stored


@pytest.mark.browser
def test_the_page_shows_what_holds_and_what_has_changed(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    for at_s, slots in ((WALL_S, 96), (WALL_S + 60, 48)):
        settings = Settings(horizon_slots=slots, operator_passphrase="open sesame")
        office.store.write(lambda c, s=settings, t=at_s: keep_start(c, s, t))
    office.enter(chromium_page, "kim")
    chromium_page.goto(f"{office.url}/settings")
    row = chromium_page.locator('[data-setting="horizon_slots"]')
    expect(row.locator("td").first).to_have_text("48")
    expect(row).to_contain_text("flag")
    expect(chromium_page.locator("#history li")).to_contain_text("horizon_slots 96 → 48")
    hidden = chromium_page.locator('[data-setting="operator_passphrase"]')
    expect(hidden).to_contain_text("set, hidden")
    assert "sesame" not in chromium_page.content()
