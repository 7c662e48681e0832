"""A year of a district under several scenarios: planned daily, settled by the quarter hour."""

from energy.study.chargers import erlang_b, points_for
from energy.study.errors import StudyError
from energy.study.report import Made, study_document, write_study
from energy.study.run import open_client
from energy.study.scenario import Scenario, base_scenario, read_scenarios
from energy.study.study import Done, Study, run_study, runs_of

__all__ = [
    "Done",
    "Made",
    "Scenario",
    "Study",
    "StudyError",
    "base_scenario",
    "erlang_b",
    "open_client",
    "points_for",
    "read_scenarios",
    "run_study",
    "runs_of",
    "study_document",
    "write_study",
]
