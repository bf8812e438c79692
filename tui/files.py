"""Files of the operator's own machine: paths as people give them, folders to look through, texts in and out.

Everything here blocks; the flows call it in a thread.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from core.errors import FieldhandError, Kind
from core.models import Device, Job, Task
from drivers.base import Image

LARGEST_TEXT: Final = 16 * 1024 * 1024
"""Bytes: a list of 100,000 devices fits; whatever is larger is no list of devices, no license and no key."""
MOST_ENTRIES: Final = 1_000
"""Entries of a folder that are offered; who looks for more types a letter."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies in a folder."""

    path: Path
    folder: bool
    size: int


def as_path(text: str) -> Path:
    """The path that was typed or pasted: as it is, quoted or escaped as shells do it, or as a file URL."""
    text = text.strip()
    if text.startswith("file://"):
        return Path(unquote(urlsplit(text).path))
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


def read_text(path: Path) -> str:
    """A text file; raises FILE with the reason."""
    try:
        if not path.is_file():
            reason = "not a file" if path.exists() else "no such file"
            raise FieldhandError(Kind.FILE, path=str(path), reason=reason)
        with path.open("rb") as file:
            data = file.read(LARGEST_TEXT + 1)
    except OSError as error:
        raise _refused(path, error) from error
    if len(data) > LARGEST_TEXT:
        raise FieldhandError(Kind.FILE, path=str(path), reason="too large")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FieldhandError(Kind.FILE, path=str(path), reason="it is not text in UTF-8") from error


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a text file; raises FILE, also when it is there and not to be overwritten."""
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError as error:
        raise FieldhandError(Kind.FILE, path=str(path), reason="it is there already") from error
    except OSError as error:
        raise _refused(path, error) from error


def read_image_file(path: Path) -> tuple[str, bytes]:
    """The name and the bytes of an image file; raises FILE or IMAGE."""
    image: Image = import_module("core.images").read_file(path)
    return image.name, image.data


def devices_text(devices: Sequence[Device]) -> str:
    """Devices as a CSV file in the columns of the SmartServer CMS."""
    text: str = import_module("core.interchange").export_text(devices)
    return text


def history_text(rows: Sequence[tuple[Job, Task]]) -> str:
    """Who did what to which device when, as a CSV file."""
    text: str = import_module("core.interchange").history_text(rows)
    return text


def _refused(path: Path, error: OSError) -> FieldhandError:
    return FieldhandError(Kind.FILE, path=str(path), reason=error.strerror or str(error))
