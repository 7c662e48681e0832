"""How commands speak to a running market: as any program does, with MICROGRID_TOKEN where set."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from energy.client import Client, ProblemError, UnreachableError
from energy.config import Settings
from energy.crowd import CrowdError

Url = Annotated[str | None, typer.Option(help="address of the market; default: host and port")]


def address_of_market(url: str | None, settings: Settings) -> str:
    """The address that is given, else that of the settings."""
    return url or f"http://{settings.host}:{settings.port}"


@contextmanager
def at_the_door(url: str | None, settings: Settings) -> Iterator[Client]:
    """A client for the length of a block.

    Raises CrowdError where the server refuses; exit code 1 where nobody answers.
    """
    try:
        with Client(address_of_market(url, settings), settings.token or None) as client:
            yield client
    except ProblemError as error:
        raise CrowdError(f"refused: {error}") from error
    except UnreachableError as error:
        typer.echo(f"microgrid: {error}; is `microgrid up` running there?", err=True)
        raise typer.Exit(1) from error
