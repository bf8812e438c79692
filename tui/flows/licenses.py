"""What is done to licenses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from core.models import License
from core.rpc import AddLicense, TrustKey
from tui import files
from tui.console import Console
from tui.screens.file_picker import FileDialog
from tui.text import clean, plural

LICENSES: Final = frozenset({".json", ".lic", ".license"})
KEYS: Final = frozenset({".pem", ".pub", ".key"})
"""The endings that files of each kind have; a path that is typed may end otherwise."""


async def add_license(app: Console) -> None:
    """Use a license file."""
    added: License | None = None

    async def take(path: Path, say: Callable[[str], None]) -> None:
        nonlocal added
        say("checking")
        added = await app.call(
            AddLicense(text=await asyncio.to_thread(files.read_text, path, files.LARGEST_KEY, "a license"))
        )

    dialog = FileDialog("Add a license", "use license", app.site.folder, LICENSES, take)
    if await app.push_screen_wait(dialog) and added is not None:
        app.say(f"license {clean(added.id)} for {plural(added.devices, 'device')} is in use")


async def trust_key(app: Console) -> None:
    """Accept licenses signed with a key."""
    key = ""

    async def take(path: Path, say: Callable[[str], None]) -> None:
        nonlocal key
        say("checking")
        key = await app.call(TrustKey(key=await asyncio.to_thread(files.read_text, path, files.LARGEST_KEY, "a key")))

    if await app.push_screen_wait(FileDialog("Trust a key", "trust key", app.site.folder, KEYS, take)):
        app.say(f"licenses signed with key {clean(key)} are accepted now")
