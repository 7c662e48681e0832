"""`CrowdError`: the crowd was asked for something impossible; one sentence says what."""


class CrowdError(Exception):
    """A message of one sentence: what, which, found, allowed."""
