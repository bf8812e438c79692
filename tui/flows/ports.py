"""What is done to ports, and to their monitoring."""

from __future__ import annotations

from collections.abc import Mapping

from core.models import Port
from core.rpc import AddPort, PauseMonitoring, RemovePort
from tui.console import Console
from tui.screens.ask import ConfirmDialog
from tui.screens.form import Entry, FormDialog
from tui.text import clean, plural
from tui.widgets.field import Field


async def add_port(app: Console) -> None:
    """Open a port, and keep it."""

    async def add(values: Mapping[str, str]) -> None:
        await app.call(AddPort(url=values["url"], name=values["name"]))

    entries = {
        "url": Entry("URL", Field(placeholder="lon:///dev/ttyACM0", id="url")),
        "name": Entry("Name", Field(placeholder="as it is called here: FT-1", id="name")),
    }
    url = await app.push_screen_wait(FormDialog("Add a port", "Add 1", entries, add))
    if url:
        app.say(f"{clean(url)} is open")


async def remove_port(app: Console, port: Port) -> None:
    """Forget a port that has no devices, after asking."""
    if port.devices:
        app.say(f"{clean(port.name)} has {plural(port.devices, 'device')}: they go first", bad=True)
        return
    text = f"{port.url} is closed and free for other programs."
    if await app.push_screen_wait(ConfirmDialog(f"Remove port {port.name}", text, "Remove 1", "Cancel")):
        await app.call(RemovePort(port=port.name))


async def pause(app: Console, port: Port | None) -> None:
    """Pause the monitoring of a port or of all, or resume it; what jobs hold stays held until they end."""
    ports = [port] if port else list(app.site.ports)
    paused = not all(one.paused for one in ports)
    await app.call(PauseMonitoring(port=port.name if port else None, paused=paused))
    which = clean(port.name) if port else "all ports"
    held = sorted({job for one in ports for job in one.paused_by})
    more = f"; {plural(len(held), 'job')} still holds it" if held and not paused else ""
    app.say(f"monitoring of {which} {'paused' if paused else 'resumed'}{more}")
