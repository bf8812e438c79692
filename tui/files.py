"""Files of the operator's own machine: paths as people give them, folders to look through, texts in and out.

Everything here blocks; the flows call it in a thread.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import platformdirs

from core.errors import FieldhandError, Kind

LARGEST_TEXT: Final = 32 * 1024 * 1024
"""Bytes: a list of 100,000 devices with room to spare."""
LARGEST_KEY: Final = 64 * 1024
"""Bytes of a key, a license or a device type; anything larger is another kind of file."""
MOST_ENTRIES: Final = 1_000
"""Entries of a folder that are offered; who looks for more types a letter."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies in a folder."""

    path: Path
    folder: bool
    size: int


_BEGINS_ANEW: Final = re.compile(r".*/(?=/|~/|['\"][/~])")
"""A whole path behind the beginning of another one: what stood there when something was pasted."""


def as_path(text: str) -> Path:
    """The path that was typed or pasted: as it is, quoted or escaped as shells do it, or as a file URL.

    What stands before a whole path does not count: "/home/olga//media/stick" is "/media/stick".
    """
    text = text.strip()
    if (at := text.rfind("file://")) >= 0:
        return Path(unquote(urlsplit(text[at:]).path))
    text = _BEGINS_ANEW.sub("", text)
    if any(mark in text for mark in "'\"\\") and not Path(text).exists():
        try:
            words = shlex.split(text)
        except ValueError:
            words = []
        if len(words) == 1:
            text = words[0]
    return Path(text).expanduser()


def entries(folder: Path, beginning: str, suffixes: Collection[str]) -> list[Entry]:
    """The folders and the files with these endings whose names begin so; raises FILE.

    Hidden ones are there only for who types the dot.
    """
    found: list[Entry] = []
    try:
        with os.scandir(folder) as scan:
            for entry in scan:
                name = entry.name
                hidden = name.startswith(".") and not beginning
                if hidden or not name.casefold().startswith(beginning.casefold()):
                    continue
                if entry.is_dir():
                    found.append(Entry(folder / name, True, 0))
                elif entry.is_file() and Path(name).suffix.lower() in suffixes:
                    found.append(Entry(folder / name, False, entry.stat().st_size))
    except OSError as error:
        raise _refused(folder, error) from error
    found.sort(key=lambda entry: (not entry.folder, entry.path.name.casefold()))
    return found[:MOST_ENTRIES]


def read_text(path: Path, largest: int = LARGEST_TEXT, what: str = "a list of devices") -> str:
    """A text file of so many bytes at most; raises FILE with the reason."""
    try:
        if not path.is_file():
            reason = "not a file" if path.exists() else "no such file"
            raise FieldhandError(Kind.FILE, path=str(path), reason=reason)
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise _refused(path, error) from error
    if len(data) > largest:
        raise FieldhandError(Kind.FILE, path=str(path), reason=f"too large to be {what}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FieldhandError(Kind.FILE, path=str(path), reason="it is not text in UTF-8") from error


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a text file, whole or not at all; raises FILE, also when it is there and not to be overwritten."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not overwrite:
            raise FieldhandError(Kind.FILE, path=str(path), reason="it is there already")
        draft.write_text(text, "utf-8", newline="")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise _refused(path, error) from error


def keep_copied(text: str) -> Path:
    """Put what was copied where this user finds it if the terminal does not take it; where that is. Raises FILE."""
    path = Path(platformdirs.user_cache_dir("fieldhand")) / "copied.txt"
    write_own(path, text)
    return path


def write_own(path: Path, text: str) -> None:
    """Write a file of the console's own, in a folder that is made for it; raises FILE."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(path, error) from error
    write_text(path, text, overwrite=True)


def _refused(path: Path, error: OSError) -> FieldhandError:
    return FieldhandError(Kind.FILE, path=str(path), reason=error.strerror or str(error))
