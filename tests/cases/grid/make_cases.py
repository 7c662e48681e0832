"""Makes the case files of this folder anew: a small network of three feeders and real flows in it.

Run from the checkout: `.venv/bin/python tests/cases/grid/make_cases.py`.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from energy.api.grid import contingency_document, network_document
from grid_models import (
    FlowResult,
    Network,
    PowerFlow,
    StreetPlan,
    base_case,
    build_street_plan,
    check_contingencies,
    check_flow,
)

HERE = Path(__file__).parent
START_S = 1_795_324_500  # 2026-11-22T05:15:00Z, the slot of the overview's cases
SLOTS = 96
PEAK_HOUR_KST = 19.5
KINDS = {"v_min": "voltage_low", "v_max": "voltage_high"}


def iso_of(seconds: int) -> str:
    return str(np.datetime64(seconds, "s")) + "Z"


def levels(low: float, high: float) -> list[float]:
    """A day's course of the load, highest in the evening."""
    hours = [((START_S + n * 900) / 3600 + 9) % 24 for n in range(SLOTS)]
    return [
        low + (high - low) * (0.5 + 0.5 * math.cos((hour - PEAK_HOUR_KST) / 24 * 2 * math.pi)) ** 2
        for hour in hours
    ]


def known(values: Any) -> list[float | None]:
    return [None if value != value else round(value, 4) for value in values.tolist()]


def state_of(flow: FlowResult) -> dict[str, Any]:
    return {
        "line_loading_frac": known(flow.line_loading_frac),
        "transformer_loading_frac": known(flow.transformer_loading_frac),
        "v_pu": known(flow.v_pu),
    }


def violations_of(network: Network, flows: list[FlowResult]) -> list[dict[str, Any]]:
    return [
        {
            "slot_utc": iso_of(START_S + row * 900),
            "what": str(each),
            "kind": KINDS.get(each.kind, each.kind),
            "element": each.element,
            "found": round(each.found, 5),
            "allowed": each.allowed,
            "unit": "pu" if each.kind in KINDS else "frac",
        }
        for row, flow in enumerate(flows)
        for each in check_flow(network, flow)
    ]


def wires_document(network: Network, flows: list[FlowResult]) -> dict[str, Any]:
    """A document as `GET /v1/grid` gives it."""
    names = (*network.lines.id, *network.transformers.id)
    both = [np.concatenate([f.line_loading_frac, f.transformer_loading_frac]) for f in flows]
    tightest = [int(np.argmax(one)) for one in both]
    highest = [float(one[at]) for one, at in zip(both, tightest, strict=True)]
    worst = int(np.argmax(highest))
    return {
        "slot_utc": iso_of(START_S),
        "converged": True,
        "reason": "",
        "now": state_of(flows[0]),
        "worst": {"slot_utc": iso_of(START_S + worst * 900), **state_of(flows[worst])},
        "strip": {
            "start_utc": iso_of(START_S),
            "step_s": 900,
            "loading_frac": [round(share, 4) for share in highest],
            "loading_element": [names[at] for at in tightest],
            "v_min_pu": [round(float(flow.v_pu.min()), 4) for flow in flows],
            "v_max_pu": [round(float(flow.v_pu.max()), 4) for flow in flows],
        },
        "violations": violations_of(network, flows),
        "loss_kw": round(flows[0].p_loss_kw, 3),
    }


def without_solution(document: dict[str, Any]) -> dict[str, Any]:
    """The same, but the flows of the first 12 slots have no solution."""

    def empty(state: dict[str, Any]) -> dict[str, Any]:
        return {name: [None] * len(values) for name, values in state.items()}

    strip = dict(document["strip"])
    for name in ("loading_frac", "v_min_pu", "v_max_pu"):
        strip[name] = [None] * 12 + strip[name][12:]
    strip["loading_element"] = [""] * 12 + strip["loading_element"][12:]
    reason = "no solution within 30 steps"
    return {
        **document, "converged": False, "reason": reason, "now": empty(document["now"]),
        "strip": strip, "loss_kw": None, "violations": [],
    }  # fmt: skip


def write(name: str, document: Any) -> None:
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    (HERE / f"{name}.json").write_text(text + "\n")


def main() -> None:
    network = build_street_plan(StreetPlan(fraction=0.05, feeders=60, feeder_kva_max=1500.0))
    p_kw, q_kvar = base_case(network)
    power_flow = PowerFlow(network)

    def flows(low: float, high: float) -> list[FlowResult]:
        return [power_flow.run(p_kw * x, q_kvar * x) for x in levels(low, high)]

    write("network", network_document(network))
    calm = wires_document(network, flows(0.4, 1.1))
    write("calm", calm)
    write("tight", wires_document(network, flows(0.6, 2.2)))
    write("no_state", without_solution(calm))
    for name, level, element in (("secure", 1.0, "F2-01"), ("overloaded", 2.4, "F2-01")):
        found = check_contingencies(network, p_kw * level, q_kvar * level, [element])[0]
        document = {"slot_utc": iso_of(START_S), **contingency_document(found)}
        write(f"outage_{name}", document)


if __name__ == "__main__":
    main()
