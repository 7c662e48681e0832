"""What a loop that was started again believes of the last slot is what it had written."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from energy.config import build_settings
from energy.cycle import next_slot, run_quarter_hour
from energy.steps.context import demo_beginning, open_installation, start_microgrid
from energy.steps.device_belief import believable_devices


def test_after_a_restart_the_last_heat_and_air_stand_in_for_a_silent_meter(tmp_path: Path) -> None:
    settings = build_settings(
        district="sejong-5-1@0.005", database_url=f"sqlite:///{tmp_path}/a.db", bots=False,
        demo_start="2026-01-14T06:00+09:00", horizon_slots=8, history_days=7,
    )  # fmt: skip
    with open_installation(settings, demo_beginning(settings)) as installation:
        microgrid = start_microgrid(installation)
        try:
            for _ in range(2):
                slot = next_slot(microgrid)
                run_quarter_hour(microgrid, slot, lambda slot=slot: slot - 300.0)
            before, peaks_kw = microgrid.memory.last_good, microgrid.memory.peaks_kw
            state = microgrid.memory.plant_state
            seen = microgrid.plant.step(state, state.slot, None).telemetry
        finally:
            microgrid.close()
        again = start_microgrid(installation)
        again.close()
    after = again.memory.last_good
    assert before is not None and after is not None
    assert before.heat_kw > 0 and before.temperature_c < 5.0, "a winter's morning"
    assert (after.heat_kw, after.temperature_c) == (before.heat_kw, before.temperature_c)
    np.testing.assert_array_equal(after.load_kw, before.load_kw)
    silent = replace(seen, heat_kw=np.nan, temperature_c=np.nan)
    believed, named = believable_devices(again.district, silent, after)
    assert (believed.heat_kw, believed.temperature_c) == (before.heat_kw, before.temperature_c)
    assert len(named) == 2
    assert peaks_kw.keys() == {(2026, 1)} and again.memory.peaks_kw == peaks_kw
