"""The one error of a study."""


class StudyError(Exception):
    """A study cannot be made: one sentence with file or flag, field, found, allowed."""
