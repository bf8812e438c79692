"""The temporary state directory of a demo: gone with it, and after a demo that was killed gone with the next one."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "fieldhand-demo-"
YOUNG_SECONDS: Final = 60.0
"""A folder younger than this may be of a demo that is about to take hold of it."""


@contextmanager
def demo_folder() -> Iterator[Path]:
    """A folder that only this user can look into; those that killed demos left behind go."""
    _clear(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name, _held(Path(name)):
        yield Path(name)


def _clear(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        if _left_behind(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _left_behind(folder: Path) -> bool:
    """Whether it is a folder of this user, and neither a demo nor its worker is there any more."""
    try:
        found = folder.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        if not ours or time.time() - found.st_mtime < YOUNG_SECONDS:
            return False
        locks = [path for path in (folder, folder / "worker.lock") if path.exists()]
        return not any(_is_held(path) for path in locks)
    except OSError:  # somebody else cleared it meanwhile, or may: it is left to them
        return False


def _is_held(path: Path) -> bool:
    try:
        with _held(path):
            return False
    except BlockingIOError:
        return True


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """The kernel's lock on it, which ends with this process, however that ends; raises BlockingIOError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
