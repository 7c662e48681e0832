"""`microgrid ledger anchor`: bring the day's head of the log to a chain, and hand out the proof.

It writes what it has sent into the store, so that on SQLite the loop must be at rest meanwhile; the
loop itself anchors where `microgrid up` is given a node and a key.
"""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from energy.cli.order import read_key
from energy.cli.settings import DatabaseUrl
from energy.config import build_settings
from energy.steps.anchoring import Anchorer, AnchorStatus, ChainNode
from energy.steps.receipts import Prover
from energy.store.engine import open_reader, open_store

POLL_S = 1.0

RpcUrl = Annotated[
    str | None,
    typer.Option(envvar="MICROGRID_ANCHOR_RPC_URL", help="node of an EVM chain; none: no anchors"),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(envvar="MICROGRID_ANCHOR_KEY", help="key that pays for anchors, and nothing else"),
]


def anchor(
    anchor_rpc_url: RpcUrl = None,
    anchor_key: KeyFile = None,
    wait_s: Annotated[float, typer.Option(min=0, help="wait so long for a final block")] = 0.0,
    out: Annotated[
        Path | None, typer.Option(help="write the proof of the newest anchor; - is the output")
    ] = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Send the day's head to a chain, or follow the one that was sent; --out: write the proof."""
    url = build_settings(database_url=database_url).database_url
    if out is not None:
        with open_reader(url) as store:
            proof = store.read(lambda connection: Prover(connection).anchor())
        if out == Path("-"):
            sys.stdout.buffer.write(proof)
        else:
            out.write_bytes(proof)
        return 0
    if anchor_rpc_url is None or anchor_key is None:
        raise typer.BadParameter("name --anchor-rpc-url and --anchor-key, or --out")
    with open_store(url) as store:
        anchorer = Anchorer(store, ChainNode(anchor_rpc_url), read_key(anchor_key), time.time)
        deadline = time.monotonic() + wait_s
        status = anchorer.round()
        while status in (AnchorStatus.SENT, AnchorStatus.MINED) and time.monotonic() < deadline:
            time.sleep(POLL_S)
            status = anchorer.round()
    typer.echo(f"{status.value} by 0x{anchorer.address.hex()}")
    return 0
