"""`python -m energy` is the `microgrid` command."""

from energy.cli import main

main()
