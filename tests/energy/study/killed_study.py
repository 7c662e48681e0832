"""Runs chunks on a cluster of its own until it is killed: a program for a test, not a test."""

import sys
from pathlib import Path

from conftest import build_chunk

from energy.study import open_client
from energy.study.run import run_chunks

if __name__ == "__main__":
    days = [word.split("/") for word in sys.argv[2:]]
    chunks = [build_chunk(day, warm_up_days=int(before)) for day, before in days]
    with open_client(1) as client:
        run_chunks(chunks, Path(sys.argv[1]), client)
