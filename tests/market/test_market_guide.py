"""What docs/market.md tells of files, figures' aims and modules is so."""

import re
import tomllib
from pathlib import Path

from market.network import build_network

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "market.md").read_text(encoding="utf-8")


def test_the_network_of_the_guide_can_be_read() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    network = build_network(tomllib.loads(example))
    assert (network.version, len(network.links), len(network.zones)) == (4, 3, 2)


def test_the_modules_of_the_guide_exist() -> None:
    named = set(re.findall(r"`([a-z_]+\.py)`", GUIDE))
    assert len(named) >= 8
    assert [name for name in sorted(named) if not (ROOT / "market" / name).exists()] == []


def test_the_words_of_the_guide_stand_in_the_public_face_or_its_modules() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "market").glob("*.py"))
    words = ("clear_within_grid", "area_apart", "check_clearing", "build_net_bill")
    for word in (*words, "build_statement"):
        assert f"`{word}" in GUIDE and f"def {word}(" in sources
