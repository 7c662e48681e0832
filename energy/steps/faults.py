"""Parts of the cycle that may fail without stopping it: what people are told, and until when."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from energy.logs import in_words
from energy.steps.context import Microgrid
from energy.steps.grid import CheckedPlan, check_on_grid, with_room
from energy.steps.steering import Steering
from energy.store.alarms import Alarm, end_alarm, open_alarms, raise_alarm
from energy.store.engine import Store
from energy.store.errors import StoreError
from optimizer import PlanProblem

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """A part of the cycle by the cause of its alarm: what its failure means, where, what to do."""

    cause: str
    what: str
    where: str
    todo: str


RULES = Part(
    "cycle/rules",
    "Slots have no market, for its rules cannot be read",
    "market",
    "Read the log; orders are void until it is mended.",
)
AUTOMATIC = Part(
    "cycle/automatic",
    "Standing instructions are not followed",
    "market",
    "Read the log; tell the households that nothing was ordered for them.",
)
DR_ANSWER = Part(
    "cycle/answer",
    "The operator's answer to an event of demand response was not made",
    "demand response",
    "Read the log; answer the event by hand before its time is up.",
)
BACKLOG = Part(
    "books/backlog",
    "Slots are planned and told, and not settled",
    "books",
    "Read the log; the tick that is named must be settled before all that follow.",
)


def _alarm(part: Part, words: str) -> Alarm:
    return Alarm(part.cause, "alarm", f"{part.what}: {words}", part.where, part.todo)


def tell(store: Store, part: Part, words: str, now_s: float) -> None:
    """Raise the alarm of a part that fails, in a unit of its own."""
    store.write(lambda connection: raise_alarm(connection, _alarm(part, words), int(now_s)))


def spared(connection: Connection, part: Part, now_s: int, act: Callable[[], object]) -> str:
    """Do a part of a unit of work; where it fails, undo that part alone, and say why.

    The alarm of the part is raised or ended in the same unit. The database's own trouble is the
    whole unit's and comes through.
    """
    try:
        with connection.begin_nested():
            act()
    except (StoreError, SQLAlchemyError):
        raise
    except Exception as error:
        log.exception("%s", part.what)
        found = _alarm(part, in_words(error))
        raise_alarm(connection, found, now_s)
        return found.what
    end_alarm(connection, part.cause, now_s)
    return ""


def end_if_open(store: Store, part: Part, now_s: float) -> None:
    """End the alarm of a part that works again; nothing is written where none is open."""
    if any(one.alarm.cause == part.cause for one in store.read(open_alarms)):
        store.write(lambda connection: end_alarm(connection, part.cause, int(now_s)))


def plan_in_need(
    microgrid: Microgrid, problem: PlanProblem, why: str, steering: Steering | None
) -> CheckedPlan:
    """The last plan shifted, or rules, checked on the wires: where planning itself has failed."""
    plan = microgrid.planner.without_solver(problem, microgrid.memory.previous, why)
    return with_room(microgrid, check_on_grid(microgrid, problem, plan, 0, steering))
