"""Every key of the console, said once: bindings, help page and key line are made from here.

The keys of the actions on devices come from the catalogue (`core.actions.ACTIONS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from textual.binding import Binding, BindingType

from core.actions import ACTIONS


class Place(StrEnum):
    """Where keys mean something; the value is its title."""

    DEVICES = "Devices"
    GROUPS = "Groups"
    JOBS = "Jobs"
    JOB = "Job"
    DEVICE = "Device"
    TEXT = "Text"


@dataclass(frozen=True, slots=True)
class Command:
    """What keys do. `label` is for the key line, "" keeps it out of there; `help` for the help page."""

    action: str
    keys: tuple[str, ...]
    help: str
    label: str = ""

    def binding(self) -> Binding:
        """As Textual wants it."""
        return Binding(",".join(self.keys), self.action, self.help, show=False)

    @property
    def shown(self) -> str:
        """The keys as a person reads them."""
        return "  ".join(key_name(key) for key in self.keys)


_NAMES: Final = {
    "question_mark": "?",
    "slash": "/",
    "asterisk": "*",
    "exclamation_mark": "!",
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "tab": "Tab",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
    "home": "Home",
    "end": "End",
    "pageup": "PgUp",
    "pagedown": "PgDn",
}


def key_name(key: str) -> str:
    """A key as it is written on the keyboard."""
    *modifiers, plain = key.split("+")
    name = _NAMES.get(plain, plain)
    prefixes = {"ctrl": "Ctrl-", "shift": "Shift-"}
    return "".join(prefixes[modifier] for modifier in modifiers) + name


MOVES: Final = (
    Command("move(1)", ("down", "j"), "one row down"),
    Command("move(-1)", ("up", "k"), "one row up"),
    Command("page(1)", ("pagedown",), "one page down"),
    Command("page(-1)", ("pageup",), "one page up"),
    Command("half(1)", ("ctrl+d",), "half a page down"),
    Command("half(-1)", ("ctrl+u",), "half a page up"),
    Command("first", ("home", "g"), "first row"),
    Command("last", ("end", "G"), "last row"),
)
"""In every list."""

ON_DEVICES: Final = tuple(
    Command(f"act('{action.name}')", (action.key,), action.help, action.label.lower()) for action in ACTIONS
)
"""The catalogue's actions: on the selected devices, the device, the members of the group."""

COMMANDS: Final[dict[Place, tuple[Command, ...]]] = {
    Place.DEVICES: (
        Command("palette", ("a", "enter", "ctrl+p"), "actions on the selection, or the device", "actions"),
        Command("mark", ("space",), "select the device, or no longer", "select"),
        *ON_DEVICES,
        Command("range", ("v",), "select a range: begin, move, end"),
        Command("extend(1)", ("shift+down",), "select this one and the next"),
        Command("extend(-1)", ("shift+up",), "select this one and the one before"),
        Command("all", ("asterisk",), "select all that the filter shows"),
        Command("invert", ("I",), "invert the selection of what is shown"),
        Command("unselect", ("u",), "select none"),
        Command("filter", ("slash",), 'filter: words, field:value, !not, a,b, "exactly"', "filter"),
        Command("step_back", ("escape",), "clear the filter, then the selection"),
        Command("sort", ("s",), "sort by the next column"),
        Command("reverse", ("S",), "sort the other way round"),
        Command("details", ("i", "l", "right"), "everything about the device", "details"),
        Command("assign", ("m",), "put into a group, or take out", "group"),
        Command("discover", ("D",), "search a port for devices", "discover"),
        Command("add", ("A",), "add a device by hand"),
    ),
    Place.GROUPS: (
        Command("members", ("enter", "right", "l"), "its devices", "members"),
        Command("palette", ("a", "ctrl+p"), "actions on all devices of the group", "actions"),
        *ON_DEVICES,
        Command("new", ("n",), "make a group", "new"),
        Command("rename", ("r",), "rename the group", "rename"),
        Command("delete", ("x",), "delete the group; its devices stay", "delete"),
    ),
    Place.JOBS: (
        Command("open", ("enter", "right", "l", "i"), "the outcome, device by device", "open"),
        Command("retry", ("r",), "the same again for what failed or was cancelled", "retry failed"),
        Command("cancel", ("x",), "stop the job at the next step of each device", "cancel"),
    ),
    Place.JOB: (
        Command("details", ("enter", "i", "right", "l"), "everything about the device", "device"),
        Command("failures", ("f",), "show failures only, or all", "failures"),
        Command("retry", ("r",), "the same again for what failed or was cancelled", "retry failed"),
        Command("cancel", ("x",), "stop the job at the next step of each device", "cancel"),
    ),
    Place.DEVICE: ON_DEVICES,
    Place.TEXT: (),
}

VIEWS: Final = (
    Command("view('devices')", ("1",), "Devices"),
    Command("view('groups')", ("2",), "Groups"),
    Command("view('jobs')", ("3",), "Jobs"),
    Command("next_view", ("tab",), "next view"),
)

EVERYWHERE: Final = (
    Command("app.job", ("J",), "the job that runs"),
    Command("app.messages", ("exclamation_mark",), "what was said so far"),
    Command("app.help", ("question_mark",), "this page", "help"),
)
BACK: Final = Command("back", ("escape", "q", "left", "h"), "back", "back")
QUIT: Final = Command("app.quit", ("q",), "quit; jobs go on")
INTERRUPT: Final = Command("app.quit", ("ctrl+c",), "quit; jobs go on")


def bindings(*commands: Command) -> list[BindingType]:
    """Commands as Textual binds them."""
    return [command.binding() for command in commands]


def pages(place: Place) -> list[tuple[str, Sequence[Command]]]:
    """What the help page says there: titles, and the commands under them."""
    own = [command for command in COMMANDS[place] if command not in ON_DEVICES]
    chapters: list[tuple[str, Sequence[Command]]] = []
    if own:
        chapters.append((place.value, own))
    if any(command in ON_DEVICES for command in COMMANDS[place]):
        chapters.append(("Actions", ON_DEVICES))
    chapters.append(("Lists", MOVES))
    on_top = place in (Place.JOB, Place.DEVICE, Place.TEXT)
    chapters.append(("Everywhere", (*((BACK,) if on_top else (*VIEWS, QUIT)), *EVERYWHERE, INTERRUPT)))
    return chapters
