"""What is done to ports, and to their monitoring."""

from __future__ import annotations

from core.models import Port
from core.rpc import AddPort, FindPorts, PauseMonitoring, PortFound, RemovePort
from tui.console import Console
from tui.flows.devices import search
from tui.flows.practice import practise
from tui.screens.ask import AskDialog, ConfirmDialog
from tui.screens.port_finder import PortFinder, Practice, Typed
from tui.screens.port_trial import Answered, PortTrial
from tui.text import clean, plural


async def add_port(app: Console) -> None:
    """Choose a place, see what answers there, and keep it."""
    found = await app.call(FindPorts())
    practice = not any(app.field.serves(port) for port in app.site.ports)
    match await app.push_screen_wait(PortFinder(found, practice)):
        case PortFound() as port:
            await add_found(app, port)
        case Typed(text) if "://" in text:
            await _add(app, Answered(text, ""))
        case Typed(text):
            (port,) = await app.call(FindPorts(path=text))
            await add_found(app, port)
        case Practice():
            await practise(app)


async def add_found(app: Console, port: PortFound) -> None:
    """See what answers on a port, keep it, and search it."""
    answered = await app.push_screen_wait(PortTrial(port))
    if answered is not None:
        await _add(app, answered)


async def _add(app: Console, answered: Answered) -> None:
    async def add(name: str) -> None:
        await app.call(AddPort(url=answered.url, name=name))

    label = f"{answered.said[:1].upper()}{answered.said[1:]}. Its name here" if answered.said else "Its name here"
    title = f"Add {answered.url}"
    name = await app.push_screen_wait(AskDialog(title, label, _free_name(app, answered.url), "Add and search it", add))
    if name:
        await search(app, name)


def _free_name(app: Console, url: str) -> str:
    """A name for a port that no other has: what it speaks, and a number."""
    protocol = url.partition("://")[0].upper()
    taken = {port.name for port in app.site.ports}
    numbers = range(1, len(taken) + 2)
    return next(name for number in numbers if (name := f"{protocol}-{number}") not in taken)


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
