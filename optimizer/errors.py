"""Errors of the planner: `OptimizerError` is their root."""


class OptimizerError(Exception):
    """A plan was asked for something impossible to read; the message names every finding."""
