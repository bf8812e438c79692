"""Starting the console: a worker to talk to, a screen to show it on."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import ClassVar

from textual.scrollbar import ScrollBar, ScrollBarRender

from core.client import SocketClient
from core.errors import Exit, FieldhandError, Kind
from core.paths import StateDirectory
from tui.app import FieldhandApp
from tui.crash import last_words
from tui.feed import reconnecting
from tui.flows.virtual_field import VirtualField
from tui.keymap import Keymap
from tui.theme import Appearance


class PlainScrollBar(ScrollBarRender):
    """A scroll bar of whole cells, for terminals that know ASCII only."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]


async def console(
    directory: StateDirectory,
    *,
    read_only: bool = False,
    theme: str | None = None,
    field: VirtualField | None = None,
    ends_with: int | None = None,
) -> Exit:
    """The console, until the operator leaves; the worker goes on, or ends with the process `ends_with`.

    `field` is the virtual field of the site where it has one already.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise FieldhandError(
            Kind.INVALID,
            what="terminal",
            value="standard input",
            reason="the console needs one; see 'fieldhand --help'",
        )
    keymap, appearance = Keymap.load(os.environ), Appearance.of_terminal(os.environ, theme)
    if appearance.ascii_only:
        ScrollBar.renderer = PlainScrollBar
    client = await SocketClient.connect_or_start(directory, ends_with=ends_with)
    field = field or VirtualField(directory.path / "field")

    app = FieldhandApp(
        client,
        directory.store,
        reconnect=reconnecting(directory, ends_with),
        field=field,
        keymap=keymap,
        read_only=read_only,
        appearance=appearance,
    )
    try:
        await app.run_async(mouse=False)  # the terminal's own selection of text keeps working
        await app.client.close()
    finally:
        await field.close()
    if app.failure is not None:
        sys.stderr.write(await asyncio.to_thread(last_words, app.failure))
        return Exit.CRASHED
    return Exit.DONE
