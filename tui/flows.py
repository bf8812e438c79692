"""What happens from a key to a job: ask for the plan, show it, start it. Each flow runs as one worker."""

from __future__ import annotations

from dataclasses import dataclass

from core.actions import Action
from core.models import Device, Job, TaskState
from core.planning import Plan
from core.rpc import (
    Acknowledge,
    AddDevice,
    AddGroup,
    Adopt,
    AssignGroup,
    CancelJob,
    FoundDevice,
    MakePlan,
    RemoveGroup,
    RenameGroup,
    RetryJob,
    Selection,
    StartJob,
)
from core.store import views
from tui.console import Console
from tui.screens.add_device import AddDeviceDialog
from tui.screens.ask import AskDialog, ConfirmDialog
from tui.screens.discover import DiscoverDialog
from tui.screens.group_picker import GroupPicker, NewGroup
from tui.screens.palette import Palette
from tui.screens.plan import PlanDialog
from tui.screens.port_picker import PortPicker
from tui.text import clean, plural


@dataclass(frozen=True, slots=True)
class Subject:
    """What an action is for: the selection as the engine takes it, in words, and its devices."""

    selection: Selection
    words: str
    devices: tuple[int, ...]


async def choose_action(app: Console, subject: Subject) -> None:
    """Offer the catalogue, then do what was chosen."""
    rows = app.site.devices.rows
    devices = [rows[identity].device for identity in subject.devices if identity in rows]
    action = await app.push_screen_wait(Palette(subject.words, subject.selection.scope, devices))
    if action is not None:
        await perform(app, action, subject)


async def perform(app: Console, action: Action, subject: Subject) -> None:
    """Plan it, show the plan when it asks, start the job for exactly the devices of the plan."""
    plan = await app.call(MakePlan(action=action.name, selection=subject.selection))
    if not plan.devices:
        app.say(f"nothing to {action.label.lower()} on {subject.words}: {reasons(plan)}", bad=True)
        return
    if plan.asks:
        hidden = sum(planned.device not in app.site.devices.position for planned in plan.devices)
        if not await app.push_screen_wait(PlanDialog(plan, action, subject.words, hidden)):
            return
    start = StartJob(
        action=action.name,
        selection=subject.selection,
        parameters=dict(plan.parameters),
        agreed=tuple(planned.device for planned in plan.devices),
    )
    app.watch_job(await app.call(start))


def reasons(plan: Plan) -> str:
    """Why devices are skipped, in one line."""
    if len(plan.skipped) == 1:
        return plan.skipped[0].reason
    return ", ".join(f"{count} {reason}" for reason, count in plan.reasons) or "there is no device in it"


async def retry_job(app: Console, job: Job) -> None:
    """The same again for what failed or was cancelled."""
    if not job.failed + job.cancelled:
        app.say(f"job {job.id} has nothing to retry: no device failed or was cancelled")
        return
    app.watch_job(await app.call(RetryJob(job=job.id)))


async def cancel_job(app: Console, job: Job) -> None:
    """Stop a job, after asking."""
    left = job.queued + job.running
    if not left:
        app.say(f"job {job.id} has ended already")
        return
    text = f"{plural(left, 'device')} left; {job.running} of them stop at their next step, none is left half done."
    if await app.push_screen_wait(ConfirmDialog(f"Stop {job.title}", text, f"Stop {left}", "Go on")):
        await app.call(CancelJob(job=job.id))


async def assign_group(app: Console, subject: Subject) -> None:
    """Put devices into a group, a new one too, or into none."""
    choice = await app.push_screen_wait(GroupPicker(subject.words, app.site.groups))
    if choice is None:
        return
    if isinstance(choice, NewGroup):
        await app.call(AddGroup(name=choice.name))
    group = choice.name
    await app.call(AssignGroup(devices=subject.devices, group=group))
    app.say(f"{subject.words}: in group {clean(group)} now" if group else f"{subject.words}: in no group now")


async def new_group(app: Console) -> None:
    """Make an empty group."""

    async def make(name: str) -> None:
        await app.call(AddGroup(name=name))

    await app.push_screen_wait(AskDialog("New group", "Name", "", "Make", make))


async def rename_group(app: Console, group: str) -> None:
    """Give a group another name."""

    async def rename(name: str) -> None:
        await app.call(RenameGroup(group=group, name=name))

    await app.push_screen_wait(AskDialog(f"Rename group {group}", "Name", group, "Rename", rename))


async def delete_group(app: Console, group: str, devices: int) -> None:
    """Delete a group, after asking."""
    text = f"Its {plural(devices, 'device')} stay, in no group." if devices else "It has no devices."
    if await app.push_screen_wait(ConfirmDialog(f"Delete group {group}", text, "Delete 1", "Cancel")):
        await app.call(RemoveGroup(group=group))


async def add_device(app: Console) -> None:
    """Make a device by hand."""
    ports = [port.name for port in app.site.ports]
    if not ports:
        app.say("no port yet: a device needs one; 'fieldhand port add' makes one", bad=True)
        return

    async def add(request: AddDevice) -> None:
        await app.call(request)

    name = await app.push_screen_wait(AddDeviceDialog(ports, [group.name for group in app.site.groups], add))
    if name:
        app.say(f"{clean(name)} added")


async def discover(app: Console) -> None:
    """Search a port, or take what pressed its service pin; adopt what the operator ticks."""
    pins = list(app.site.pins.values())
    if pins:
        port = pins[-1].port
        found: tuple[FoundDevice, ...] | None = tuple(pin.device for pin in pins if pin.port == port)
    else:
        chosen = await _choose_port(app)
        if chosen is None:
            return
        port, found = chosen, None
    ticked = await app.push_screen_wait(DiscoverDialog(port, found))
    for pin in pins:
        app.site.pins.pop(pin.device.found.uid, None)
    if not ticked:
        return
    new = await app.call(Adopt(port=port, devices=ticked))
    app.say(f"{plural(len(new), 'device')} adopted from {clean(port)}")


async def acknowledge(app: Console, device: Device) -> None:
    """The failure has been looked at."""
    if app.client.greeting.role == "operator":
        await app.call(Acknowledge(devices=(device.id,)))


async def tell_outcome(app: Console, job: Job) -> None:
    """Say how a job of this console ended."""
    if job.total == 1:
        tasks = await views.tasks(app.store, job.id)
        task = next(task for task in tasks if task.state is not TaskState.SKIPPED)
        what = job.title if job.subject else f"{job.title} {task.name}"
        app.say(f"{clean(what)}: {clean(task.reason or task.state.value)}", bad=bool(job.failed))
        return
    parts = [f"{job.done} of {job.total} done"]
    parts += [f"{count} {word}" for count, word in ((job.failed, "failed"), (job.cancelled, "cancelled")) if count]
    more = "; J shows which" if job.failed else ""
    app.say(f"{clean(job.title)}: {', '.join(parts)}{more}", bad=bool(job.failed))


async def _choose_port(app: Console) -> str | None:
    if not app.site.ports:
        app.say("no port to search: 'fieldhand port add' makes one, from a shell", bad=True)
        return None
    if len(app.site.ports) == 1:
        return app.site.ports[0].name
    return await app.push_screen_wait(PortPicker(app.site.ports))
