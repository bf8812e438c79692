"""Remembering local edits, and taking the last one back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from core.models import Device
from core.store import views
from tui.console import Console
from tui.model.edits import DeviceEdit, Edit, differences
from tui.text import clean, plural


@asynccontextmanager
async def remembered(app: Console, ids: Sequence[int]) -> AsyncIterator[None]:
    """What is changed of the devices meanwhile can be taken back as one, also when only a part of it came about."""
    before = await _known(app, ids)
    try:
        yield
    finally:
        after = await _known(app, list(before))
        changed = [(before[device], new) for device, new in after.items() if differences(before[device], new)]
        if changed:
            olds, news = zip(*changed, strict=True)
            app.site.edits.append(DeviceEdit(olds, news))


async def undo(app: Console) -> None:
    """Take the last local edit back, unless somebody changed the same since."""
    if not app.site.edits:
        app.say("nothing to undo: what is sent to devices cannot be taken back")
        return
    edit = app.site.edits.pop()
    since = await _changed_since(app, edit)
    if since:
        what = clean(since[0]) if len(since) == 1 else plural(len(since), "device")
        app.say(f"not undone: {what} changed again since, or is gone", bad=True)
        return
    for request in edit.back():
        await app.call(request)
    app.say(f"undone: {edit.words}")


async def _changed_since(app: Console, edit: Edit) -> list[str]:
    if isinstance(edit, DeviceEdit):
        return edit.changed_since(await _known(app, [device.id for device in edit.after]))
    return edit.changed_since({group.id: group for group in await views.groups(app.store)})


async def _known(app: Console, ids: Sequence[int]) -> dict[int, Device]:
    """Those that are still there, as the store has them now."""
    there = [identity for identity in ids if identity in app.site.devices.rows]
    return {device.id: device for device in await views.devices_by_id(app.store, there)}
