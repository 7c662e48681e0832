"""The dashboard for Grafana asks for figures that there are, and for all of them."""

import json
import re
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).parents[3] / "docs" / "grafana.json"


def asked() -> set[str]:
    """The names in the dashboard's questions."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    questions = [target["expr"] for panel in panels for target in panel["targets"]]
    return set(re.findall(r"microgrid_\w+", " ".join(questions)))


def test_every_figure_is_shown_and_every_shown_figure_exists(shared: Any) -> None:
    text = shared.ask("/metrics").body.decode()
    offered = set(re.findall(r"^# TYPE (microgrid_\w+)", text, re.MULTILINE))
    assert asked() == offered


def test_no_two_panels_lie_on_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
