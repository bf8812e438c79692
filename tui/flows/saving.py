"""Writing a text to a file the operator names."""

from __future__ import annotations

import asyncio

from core.errors import FieldhandError, Kind
from tui import files
from tui.console import Console
from tui.screens.ask import AskDialog, ConfirmDialog
from tui.text import clean


async def save_text(app: Console, title: str, name: str, text: str) -> None:
    """Ask for a path, and before something that is there is overwritten."""

    async def write(typed: str) -> None:
        path = files.as_path(typed)
        taken = await asyncio.to_thread(path.is_file)
        if taken and not await app.push_screen_wait(
            ConfirmDialog(f"Overwrite {path.name}", f"{path} is there already.", "Overwrite", "Cancel")
        ):
            raise FieldhandError(Kind.FILE, path=str(path), reason="it is there already, and stays as it is")
        await asyncio.to_thread(files.write_text, path, text, overwrite=taken)
        app.site.folder = path.parent
        app.say(f"written to {clean(str(path))}")

    await app.push_screen_wait(AskDialog(title, "File", str(app.site.folder / name), "Write", write))
