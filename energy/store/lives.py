"""A process's life: what tells, on the machine where it ran, that it has ended.

A name as `host:number` does not: hosts have the same name, numbers are given again. A life names
the boot of the kernel, the space of process numbers, the number, and when the process began by the
kernel's count; whoever is in the same boot and space can see whether it still lives.
"""

import os
from pathlib import Path

UNKNOWN = ""
BOOT = Path("/proc/sys/kernel/random/boot_id")
STATE, BEGUN = 0, 19
"""Places in /proc/NUMBER/stat after the name, which ends with the last bracket."""
DEAD = "ZX"


def own_life() -> str:
    """The life of this process, UNKNOWN where the system does not tell."""
    place, number = _place(), os.getpid()
    begun = _stat(number)[BEGUN:]
    return f"{place}/{number}/{begun[0]}" if place and begun else UNKNOWN


def has_ended(life: str) -> bool:
    """Whether a life is surely over; False where that cannot be seen from here."""
    place, _, rest = life.rpartition("/")[0].rpartition("/")
    begun = life.rpartition("/")[2]
    if not place or place != _place() or not rest.isdecimal():
        return False
    found = _stat(int(rest))
    if not found or found[BEGUN] != begun:
        return True
    return found[STATE] in DEAD and _threads(int(rest)) <= 1


def _place() -> str:
    """The boot and the space of process numbers."""
    try:
        return f"{BOOT.read_text().strip()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return UNKNOWN


def _stat(number: int) -> list[str]:
    """What the kernel says of a process after its name; nothing where there is no such process."""
    try:
        text = Path(f"/proc/{number}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def _threads(number: int) -> int:
    try:
        return len(os.listdir(f"/proc/{number}/task"))
    except (FileNotFoundError, ProcessLookupError):
        return 0
