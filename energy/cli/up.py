"""`microgrid up`: API, page, daemon and, in demo mode, the simulated crowd."""

import os
import signal
import threading
from typing import Annotated

import typer

from energy.cli.anchors import KeyFile, RpcUrl
from energy.cli.order import read_key
from energy.cli.settings import DatabaseUrl, District, Seed, start_logging
from energy.config import build_settings


def up(
    district: District = None,
    database_url: DatabaseUrl = None,
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on")] = None,
    clock: Annotated[str | None, typer.Option(help="demo or real")] = None,
    demo_slot_s: Annotated[float | None, typer.Option(help="seconds of a demo slot")] = None,
    demo_start: Annotated[str | None, typer.Option(help="first slot of a new demo store")] = None,
    seed: Seed = None,
    bots: Annotated[bool | None, typer.Option(help="simulated crowd beside the demo clock")] = None,
    anchor_rpc_url: RpcUrl = None,
    anchor_key: KeyFile = None,
    until_eof: Annotated[bool, typer.Option("--until-eof", help="end with standard input")] = False,
) -> None:
    """Start the district: API, page and daemon in one process, until Ctrl-C."""
    settings = build_settings(
        district=district,
        database_url=database_url,
        host=host,
        port=port,
        clock=clock,
        demo_slot_s=demo_slot_s,
        demo_start=demo_start,
        seed=seed,
        bots=bots,
    )
    start_logging(settings)
    from energy.service import Anchoring, run_service

    if (anchor_rpc_url is None) != (anchor_key is None):
        raise typer.BadParameter("name both --anchor-rpc-url and --anchor-key, or neither")
    anchoring = None
    if anchor_rpc_url is not None and anchor_key is not None:
        anchoring = Anchoring(anchor_rpc_url, read_key(anchor_key))
    if until_eof:
        threading.Thread(target=_end_with_input, daemon=True).start()
    run_service(settings, anchoring)


def _end_with_input() -> None:
    """End as on a signal when whoever started this process has gone."""
    # Not by `sys.stdin`, whose lock a thread must not hold when Python ends.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
