"""The state directory: where it is, and the names of what lies in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import FieldhandError, Kind

VARIABLE: Final = "FIELDHAND_STATE"
LONGEST_SOCKET_PATH: Final = 100
"""Bytes; the kernel's own limit is 108 (unix(7))."""


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """Everything of one installation: store, images, socket, lock and log. Only its owner may look in."""

    path: Path

    @classmethod
    def find(cls, given: str | None) -> StateDirectory:
        """The directory given, else $FIELDHAND_STATE, else the platform's user state directory."""
        chosen = given or os.environ.get(VARIABLE)
        if not chosen:
            import platformdirs  # noqa: PLC0415 - only who asks the platform has to load what knows it

            chosen = platformdirs.user_state_dir("fieldhand")
        return cls(Path(chosen).expanduser().absolute())

    def create(self) -> None:
        """Make the directory if there is none; raises STATE_DIRECTORY when that cannot be."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise FieldhandError(
                Kind.STATE_DIRECTORY,
                path=str(self.path),
                reason=f"{error.strerror}; name another with --state",
            ) from error

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.path / "fieldhand.sqlite"

    @property
    def images(self) -> Path:
        """The image repository: one file for each image, named by its SHA-256."""
        return self.path / "images"

    @property
    def socket(self) -> Path:
        """Where the worker listens."""
        return self.path / "worker.sock"

    @property
    def lock(self) -> Path:
        """Who holds the flock on this file is the worker; its process id is written in it."""
        return self.path / "worker.lock"

    @property
    def log(self) -> Path:
        """What a worker started by a client has to say."""
        return self.path / "worker.log"

    def ended_in_order(self) -> bool:
        """Whether the last worker was told to end, or there never was one; one that was killed leaves its id."""
        return not self.lock.exists() or not self.lock.stat().st_size

    @contextmanager
    def socket_address(self) -> Iterator[str]:
        """The socket's path as the kernel takes it, however deep the directory lies."""
        if len(os.fsencode(self.socket)) <= LONGEST_SOCKET_PATH:
            yield str(self.socket)
            return
        handle = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{handle}/{self.socket.name}"
        finally:
            os.close(handle)
