"""The `microgrid` command: each group of commands is a file here and is read only when asked for.

Exit codes: 0 done, 1 failed, 2 wrong use. What our own packages refuse is one sentence on the
error stream; anything else is a defect and keeps its traceback.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from pydantic import ValidationError

GROUPS = ("order", "contract", "market", "dr", "ledger", "grid", "store", "people")
COMMANDS = {
    "up": "energy.cli.up",
    "fleet": "energy.cli.fleet",
    "simulate": "energy.cli.simulate",
    "study": "energy.cli.study",
    "plan": "energy.cli.plan",
    "bill": "energy.cli.market",
    "statement": "energy.cli.statement",
    "bench": "energy.cli.bench",
    "witness": "energy.cli.witness",
    "backtest": "energy.cli.backtest",
    "doctor": "energy.cli.doctor",
}
# Wrong use of a command, whichever copy of click typer carries.
UsageError: Any = typer.BadParameter.__mro__[1]
OWN_PACKAGES = frozenset({"energy", "market", "optimizer", "grid_models"})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(words))


def run(words: Sequence[str]) -> int:
    """The exit code of a command given as words."""
    try:
        answer = build_app(words[0] if words else "")(list(words), standalone_mode=False)
    except UsageError as error:
        error.show()
        return 2
    except typer.Abort:
        return 1
    except ValidationError as error:
        from energy.config import refused_setting

        return _refuse(refused_setting(error))
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in OWN_PACKAGES:
            raise
        return _refuse(str(error))
    return answer if isinstance(answer, int) else 0


def build_app(chosen: str) -> typer.Typer:
    """The application with the chosen command alone, or with all where none is known."""
    app = typer.Typer(
        name="microgrid",
        help="The operating system of a district microgrid.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def microgrid() -> None:
        """The operating system of a district microgrid."""

    for name in GROUPS:
        if chosen == name or chosen not in (*GROUPS, *COMMANDS):
            app.add_typer(import_module(f"energy.cli.{name}").app, name=name)
    for name, module in COMMANDS.items():
        if chosen == name or chosen not in (*GROUPS, *COMMANDS):
            app.command(name)(getattr(import_module(module), name))
    return app


def _refuse(sentence: str) -> int:
    typer.echo(f"microgrid: {sentence}", err=True)
    return 2
