"""SQLite's driver, the same one wherever the program opens a file of its own.

Long-term Linux releases still ship a SQLite that can corrupt a write-ahead log, so a package brings
a current one where it has been built for the machine; elsewhere Python's own is used, and the
engine chooses the journal by its version. Two libraries in one process would undo each other's
locks on a file: whatever opens one takes the driver from here.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:
        import sqlite3

__all__ = ["sqlite3"]
