"""Image files: taken in from wherever an operator points, kept by what they hold, matched with devices.

A path that somebody names may be anything: nothing here waits for a device or a pipe, or follows a link astray.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from core import text
from core.errors import FieldhandError, Kind
from core.models import Device, StoredImage
from drivers.base import Image

LARGEST_IMAGE: Final = 16 * 1024 * 1024
"""Bytes: many times the memory of any field device, and still quick to pass on in one request."""
_PART: Final = ".part"
"""Ends the name of a file of the repository that is being written."""
_KINDS: Final = {
    stat.S_IFDIR: "it is a directory",
    stat.S_IFIFO: "it is a pipe",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
    stat.S_IFSOCK: "it is a socket",
}


def image(name: str, data: bytes) -> Image:
    """An image of this name (folders before it do not count); raises IMAGE or INVALID."""
    cleaned = text.name("image", name.replace("\\", "/").rpartition("/")[2])
    if not data:
        raise FieldhandError(Kind.IMAGE, image=cleaned, reason="it is empty")
    if len(data) > LARGEST_IMAGE:
        raise _too_large(cleaned)
    return Image(cleaned, sha256(data).hexdigest(), data)


def read_file(path: Path) -> Image:
    """The file as an image; raises FILE or IMAGE with the reason. Never waits for whatever the path leads to.

    A link is followed within its own folder only. It reads the disk: on a thread, where there is a loop.
    """
    try:
        target = _target(path)
        _check_kind(path, target.stat().st_mode)  # before it is opened: that alone can move a device
        handle = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            now = os.fstat(file.fileno())
            _check_kind(path, now.st_mode)
            if now.st_size > LARGEST_IMAGE:
                raise _too_large(path.name)
            data = file.read(now.st_size + 1)
    except OSError as error:
        raise FieldhandError(Kind.FILE, path=str(path), reason=error.strerror or str(error)) from error
    except ValueError as error:  # a NUL in the path
        raise FieldhandError(Kind.FILE, path=str(path), reason=str(error)) from error
    if len(data) != now.st_size:
        raise FieldhandError(Kind.FILE, path=str(path), reason="it changes while it is read")
    return image(path.name, data)


def _target(path: Path) -> Path:
    """The file itself, where the path is a link to it."""
    if not path.is_symlink():
        return path
    try:
        target = path.resolve(strict=True)
    except RuntimeError as error:
        raise FieldhandError(Kind.FILE, path=str(path), reason="it is a link to itself") from error
    if not target.is_relative_to(path.parent.resolve()):
        raise FieldhandError(Kind.FILE, path=str(path), reason=f"it is a link out of its folder, to {target}")
    return target


def _check_kind(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise FieldhandError(Kind.FILE, path=str(path), reason=_KINDS.get(stat.S_IFMT(mode), "it is not a file"))


def _too_large(name: str) -> FieldhandError:
    return FieldhandError(Kind.IMAGE, image=name, reason=f"it is larger than {LARGEST_IMAGE // 1024**2} MB")


class Repository:
    """The folder in which images are kept. Everything here reads or writes the disk: on a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, image: Image) -> None:
        """Keep its bytes; they are on the disk afterwards. Raises FILE. One that is there, and whole, is left alone."""
        file = self._folder / image.sha256
        part = file.with_suffix(_PART)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if self._holds(image.sha256):
                return
            try:
                handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                with os.fdopen(handle, "wb") as written:
                    written.write(image.data)
                    written.flush()
                    os.fsync(written.fileno())
                part.replace(file)
            except OSError:
                part.unlink(missing_ok=True)
                raise
            self._sync()
        except OSError as error:
            raise FieldhandError(Kind.FILE, path=str(file), reason=error.strerror or str(error)) from error

    def read(self, stored: StoredImage) -> Image:
        """The image, whole; raises IMAGE when its file is gone or does not hold what was put in."""
        try:
            data = (self._folder / stored.sha256).read_bytes()
        except OSError as error:
            reason = f"its file in the repository cannot be read ({error.strerror}): add it again"
            raise FieldhandError(Kind.IMAGE, image=stored.name, reason=reason) from error
        if sha256(data).hexdigest() != stored.sha256:
            raise FieldhandError(
                Kind.IMAGE, image=stored.name, reason="its file in the repository is damaged: add it again"
            )
        return Image(stored.name, stored.sha256, data)

    def discard(self, digest: str) -> None:
        """Let go of an image's bytes."""
        (self._folder / digest).unlink(missing_ok=True)

    def sweep(self, known: Collection[str]) -> None:
        """Clear away what was left behind by a worker that was killed: files that no image has."""
        if self._folder.is_dir():
            for file in self._folder.iterdir():
                if file.name not in known and file.is_file():
                    file.unlink()

    def _holds(self, digest: str) -> bool:
        with suppress(FileNotFoundError):
            return sha256((self._folder / digest).read_bytes()).hexdigest() == digest
        return False

    def _sync(self) -> None:
        """A new name is on the disk when its folder is."""
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# ---- image and device


def refusal(image: StoredImage, device: Device, *, force: bool) -> str | None:
    """Why the image is not for the device, by what the record knows; None: nothing speaks against it.

    Another model or a firmware that the device does not have are never a matter of `force`; the
    driver asks the device itself before the first byte is sent.
    """
    if image.protocol != device.protocol:
        return f"{image.name} is for {image.protocol}, the device is {device.protocol}"
    if image.opaque:
        return None
    if _differ(image.model, device.model):
        return f"{image.name} is for model {image.model}, the device is model {device.model}"
    if image.firmware is not None and device.firmware is not None and image.firmware > device.firmware:
        return f"{image.name} needs firmware {image.firmware}, the device has {device.firmware}"
    return None if force else _another_program(image, device)


def _another_program(image: StoredImage, device: Device) -> str | None:
    """What only `force` allows."""
    if _differ(image.program_id, device.program_id):
        return f"{image.name} has program ID {image.program_id}, the device {device.program_id}"
    if image.firmware is not None and device.firmware is not None and image.firmware < device.firmware:
        return f"{image.name} is for firmware {image.firmware}, the device has {device.firmware}"
    return None


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other


def warnings(image: StoredImage, devices: Sequence[Device]) -> list[str]:
    """What there is to say before the image is loaded into these devices, which it was not refused for."""
    if image.opaque or not devices:
        return []
    others = sum(_another_program(image, device) is not None for device in devices)
    unknown = sum(
        (image.model is not None and device.model is None) or (image.firmware is not None and device.firmware is None)
        for device in devices
    )
    return [
        *[f"{others} get another program, or one for an older firmware"] * bool(others),
        *[f"{unknown} not known by model and firmware: they are asked before the first byte is sent"] * bool(unknown),
        "stopping leaves devices without application; Resume Load goes on",
    ]
