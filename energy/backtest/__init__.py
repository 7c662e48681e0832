"""Forecasts replayed and scored: on any measured series, and on the district's own record."""

from energy.backtest.district import replay_district
from energy.backtest.issued_weather import IssuedWeather, issued_weather
from energy.backtest.page import write_page
from energy.backtest.read_series import Reading, SeriesError, read_series, read_weather
from energy.backtest.replay import Replay, ReplayPlan, replay_node
from energy.backtest.scores import Score, score_table
from energy.backtest.sessions import SessionReport, read_sessions, replay_sessions

__all__ = [
    "IssuedWeather",
    "Reading",
    "Replay",
    "ReplayPlan",
    "Score",
    "SeriesError",
    "SessionReport",
    "issued_weather",
    "read_series",
    "read_sessions",
    "read_weather",
    "replay_district",
    "replay_node",
    "replay_sessions",
    "score_table",
    "write_page",
]
