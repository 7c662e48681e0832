"""Linear algebra runs on one thread, for two spin for each other where the machine has other work.

Seen by the threads of a process that has multiplied matrices.
"""

import os
import subprocess
import sys

COUNT = """
import os
import energy
import numpy as np
np.ones((700, 700)) @ np.ones((700, 700))
print(len(os.listdir("/proc/self/task")))
"""


def threads_with(**settings: str) -> int:
    """Threads of a new process of ours, of whose variables only these are set."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: text for name, text in os.environ.items() if name not in names}
    found = subprocess.run(
        [sys.executable, "-c", COUNT],
        env=environment | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(found.stdout)


def test_a_process_of_ours_multiplies_matrices_on_one_thread() -> None:
    assert threads_with() == 1


def test_who_knows_better_sets_the_variable() -> None:
    assert threads_with(OPENBLAS_NUM_THREADS="2") == 2
