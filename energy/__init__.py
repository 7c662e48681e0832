"""The operating system of a district microgrid: plan, market, books, doors and the daemon.

Linear algebra runs on one thread. The matrices here are small, so that two threads take longer than
one even on a quiet machine, and beside other work they spin for each other: the fit of a forecast
then took eight to a hundred times as long. Sums are also the same on machines with any number of
cores. Whoever knows better sets the variables; they must be set before numpy is loaded.
"""

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
