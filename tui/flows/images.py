"""What is done to the image repository."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Final

from core.images import read_file
from core.models import StoredImage
from core.rpc import AddImage, RemoveImage
from tui.console import Console
from tui.screens.ask import ConfirmDialog
from tui.screens.file_picker import FileDialog
from tui.text import clean, size

SUFFIXES: Final = frozenset({".apb", ".ndl", ".nx", ".nxi", ".bin"})
"""The endings of image files; a path that is typed may end otherwise."""


async def import_image(app: Console) -> None:
    """Take an image file into the repository."""
    stored: StoredImage | None = None

    async def take(path: Path, say: Callable[[str], None]) -> None:
        nonlocal stored
        say("reading")
        image = await asyncio.to_thread(read_file, path)
        say("saving")
        stored = await app.call(AddImage(name=image.name, data=base64.b64encode(image.data).decode()))

    dialog = FileDialog("Import an image", "import file", app.site.folder, SUFFIXES, take)
    if await app.push_screen_wait(dialog) and stored is not None:
        app.say(f"{clean(stored.name)} is in the repository, {size(stored.size)}")


async def remove_image(app: Console, image: StoredImage) -> None:
    """Take an image out of the repository, after asking."""
    text = "Devices that have it keep it. Its file is deleted here; a load that was cut off cannot go on without it."
    if await app.push_screen_wait(ConfirmDialog(f"Remove image {image.name}", text, "Remove 1", "Cancel")):
        await app.call(RemoveImage(image=image.sha256))
        app.say(f"{clean(image.name)} removed")
