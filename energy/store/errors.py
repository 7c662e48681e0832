"""What the store refuses, each with one sentence: what, which, found, allowed.

StoreError            the root; the store cannot do what was asked
├─ StoreInUseError    another process writes to the same file
├─ StoreVersionError  the tables are of another version of the program
├─ LostHeadError      the store lacks heads of the log that were signed: it is an older copy
├─ StoreBusyError     the database is locked, full or unreachable at this moment; try again later
└─ FenceError         somebody else holds the slot or leads meanwhile: what was computed is void
"""


class StoreError(Exception):
    """The store cannot do what was asked; the sentence says why."""


class StoreInUseError(StoreError):
    """Another process writes to the same file."""


class StoreVersionError(StoreError):
    """The tables were made by another version of the program."""


class StoreBusyError(StoreError):
    """The database does not answer or takes nothing at this moment; the same may succeed later."""


class LostHeadError(StoreError):
    """The store lacks heads of the log that were signed; nothing may be signed after others."""


class FenceError(StoreError):
    """Somebody else holds the slot or leads now; whoever gets this must write nothing more."""
