"""The lock of a home folder: the server holds it, and whoever needs the folder for itself asks for it.

The lock is the kernel's (flock), so it ends with its process however that dies; the file's content, the number of the
process, is only there to be shown.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arrivals.errors import Conflict, InvalidSetting

NAME = "lock"


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold the lock of ``home`` for the length of the block.

    Raises:
        Conflict: another process holds it; the sentence names its number.
        InvalidSetting: the folder cannot be written.
    """
    path = home / NAME
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InvalidSetting(f"ARRIVALS_HOME is {str(home)!r}, which cannot be written: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Conflict(f"A server is running on {home} ({_holder(descriptor)}); stop it first.") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def turn(home: Path) -> Iterator[None]:
    """Wait for one's turn at making the tables: two who make them at the same moment would trip over each other."""
    descriptor = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_held(home: Path) -> bool:
    """Whether a process holds the lock of ``home`` now. Makes nothing."""
    try:
        descriptor = os.open(home / NAME, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    number = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
    return f"process {number}" if number.isdigit() else "another process"
