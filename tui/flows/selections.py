"""Selections under a name: kept, selected again, forgotten."""

from __future__ import annotations

import asyncio

from tui import kept
from tui.console import Console
from tui.model.devices import Change
from tui.screens.selection_picker import Forget, Keep, Restore, SelectionPicker
from tui.text import clean, plural


async def kept_selections(app: Console) -> None:
    """Choose one, or keep what is selected."""
    devices = app.site.devices
    known = dict(await asyncio.to_thread(kept.selections, app.store_path))
    match await app.push_screen_wait(SelectionPicker(known, len(devices.selected))):
        case Keep(name):
            known[name] = devices.chosen()
            app.say(f"{plural(len(known[name]), 'device')} kept as {clean(name)}")
        case Forget(name):
            del known[name]
            app.say(f"{clean(name)} is forgotten; its devices stay")
        case Restore(name):
            gone = len(known[name]) - devices.select_only(known[name])
            app.store_changed.publish(Change(frozenset(), moved=True))
            app.say(f"{clean(name)} is selected" + (f"; {plural(gone, 'device')} of it gone" if gone else ""))
            return
        case None:
            return
    await asyncio.to_thread(kept.keep, app.store_path, known)
