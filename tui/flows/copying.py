"""Copying through the terminal (OSC 52): it reaches the clipboard of the machine the operator sits at, over SSH too.

Whether the terminal takes it, it does not say: so it lies in a file as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from core.models import Device
from tui import files
from tui.console import Console
from tui.model.devices import Row
from tui.text import clean, plural


def copy_uids(app: Console, devices: Sequence[Device]) -> None:
    """The UIDs, one a line."""
    uids = [clean(device.uid) for device in devices if device.uid]
    if not uids:
        app.say("no UID to copy: it is not known yet", bad=True)
        return
    app.begin(_copy(app, "\n".join(uids), uids[0] if len(uids) == 1 else plural(len(uids), "UID")))


def copy_rows(app: Console, rows: Sequence[Row]) -> None:
    """Everything that is said of the devices in the list, with tabs between, one a line."""
    what = clean(rows[0].device.name) if len(rows) == 1 else plural(len(rows), "row")
    app.begin(_copy(app, "\n".join(_text(row) for row in rows), what))


async def _copy(app: Console, text: str, what: str) -> None:
    app.copy_to_clipboard(text)
    path = await asyncio.to_thread(files.keep_copied, text + "\n")
    app.say(f"{what} sent to the terminal, and to {clean(str(path))}")


def _text(row: Row) -> str:
    device = row.device
    status = f"{row.status.value}: {row.reason}" if row.reason else row.status.value
    address = device.address.text if device.address else ""
    cells = (device.name, device.uid, status, device.group, address, device.port, device.program_id)
    return "\t".join(clean(cell or "") for cell in cells)
