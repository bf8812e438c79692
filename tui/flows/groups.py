"""What is done to groups."""

from __future__ import annotations

from core.models import Group
from core.rpc import AddGroup, AssignGroup, RemoveGroup, RenameGroup
from core.store import views
from tui.console import Console
from tui.flows.starting import Subject
from tui.flows.undo import remembered
from tui.model.edits import GroupEdit
from tui.screens.ask import AskDialog, ConfirmDialog
from tui.screens.group_picker import GroupPicker, NewGroup
from tui.text import clean, plural


async def assign_group(app: Console, subject: Subject) -> None:
    """Put devices into a group, a new one too, or into none."""
    choice = await app.push_screen_wait(GroupPicker(subject.words, app.site.groups))
    if choice is None:
        return
    if isinstance(choice, NewGroup):
        await app.call(AddGroup(name=choice.name))
    group = choice.name
    async with remembered(app, subject.devices):
        await app.call(AssignGroup(devices=subject.devices, group=group))
    app.say(f"{subject.words}: in group {clean(group)} now" if group else f"{subject.words}: in no group now")


async def new_group(app: Console) -> None:
    """Make an empty group."""

    async def make(name: str) -> None:
        await app.call(AddGroup(name=name))

    await app.push_screen_wait(AskDialog("New group", "Name", "", "Make", make))


async def rename_group(app: Console, group: Group) -> None:
    """Give a group another name."""

    async def rename(name: str) -> None:
        await app.call(RenameGroup(group=group.name, name=name))
        now = next((known.name for known in await views.groups(app.store) if known.id == group.id), group.name)
        if now != group.name:
            app.site.edits.append(GroupEdit(group, now))

    await app.push_screen_wait(AskDialog(f"Rename group {group.name}", "Name", group.name, "Rename", rename))


async def delete_group(app: Console, group: str, devices: int) -> None:
    """Delete a group, after asking."""
    text = f"Its {plural(devices, 'device')} stay, in no group." if devices else "It has no devices."
    if await app.push_screen_wait(ConfirmDialog(f"Delete group {group}", text, "Delete 1", "Cancel")):
        await app.call(RemoveGroup(group=group))
