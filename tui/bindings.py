"""Every key of the console, said once: bindings, help page and key line are made from here.

The keys of the actions on devices come from the catalogue (`core.actions.ACTIONS`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from textual.binding import Binding, BindingType
from textual.keys import key_to_character

from core.actions import ACTIONS


class Place(StrEnum):
    """Where keys mean something; the value is its title."""

    DEVICES = "Devices"
    GROUPS = "Groups"
    JOBS = "Jobs"
    IMAGES = "Images"
    LICENSES = "Licenses"
    PORTS = "Ports"
    EVENTS = "Events"
    JOB = "Job"
    DEVICE = "Device"
    HISTORY = "History"
    LOAD = "Load Image"
    REPLACE = "Replace"
    FIRST = "First run"
    TEXT = "Text"
    PLAN = "Plan"
    CONFIRM = "Confirmation"
    IMPORT = "Import"
    DISCOVER = "Discover"
    TRIAL = "What is on a port"
    ASK = "Question"
    FORM = "Form"
    PICK = "Choice"
    KEPT = "Kept selections"
    FILE = "File"
    WINK = "Winking"


@dataclass(frozen=True, slots=True)
class Command:
    """What keys do: `help` for the help page, `label` for the key line, `title` for the palette ("" keeps it out).

    `changes`: not there where nothing may be changed.
    """

    action: str
    keys: tuple[str, ...]
    help: str
    label: str = ""
    title: str = ""
    changes: bool = False

    def binding(self) -> Binding:
        """As Textual wants it."""
        return Binding(",".join(self.keys), self.action, self.help, show=False, id=self.id)

    def means(self, action: str) -> bool:
        """Whether this is the action, whatever its arguments."""
        return self.action.removeprefix("app.").partition("(")[0] == action

    @property
    def id(self) -> str:
        """What other keys are given to: the same wherever the same command is bound."""
        return f"{self.action}: {self.help}"

    @property
    def name(self) -> str:
        """As a file of keys calls it: move-down, view-jobs, undo."""
        name = self.action.removeprefix("app.")
        for argument, word in _ARGUMENTS.items():
            name = name.replace(argument, word)
        return _NOT_IN_NAMES.sub("-", name).strip("-")

    @property
    def shown(self) -> str:
        """The keys as a person reads them."""
        return "  ".join(key_name(key) for key in self.keys)


_ARGUMENTS: Final = {"(1)": "-down", "(-1)": "-up", "(True)": "-force"}
_NOT_IN_NAMES: Final = re.compile(r"[^a-z]+")
_NAMES: Final = {
    "question_mark": "?",
    "slash": "/",
    "asterisk": "*",
    "exclamation_mark": "!",
    "colon": ":",
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
    name = _NAMES.get(plain) or key_to_character(plain) or plain
    prefixes = {"ctrl": "Ctrl-", "shift": "Shift-"}
    return "".join(prefixes[modifier] for modifier in modifiers) + name


def is_text(key: str) -> bool:
    """Whether a field takes the key as text."""
    return (key_to_character(key) or "").isprintable() and bool(key_to_character(key))


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
    Command(f"act('{action.name}')", (action.key,), action.help, action.label.lower(), changes=True)
    for action in ACTIONS
)
"""The catalogue's actions: on the selected devices, the device, the members of the group."""

EDIT: Final = Command("edit", ("E",), "change what is known of the device", title="Edit", changes=True)
HISTORY: Final = Command("history", ("H",), "who did what to it, and what came of it", title="History")
WINK_ON: Final = Command(
    "wink_on", ("W",), "wink every two seconds until the next key", title="Wink On and On", changes=True
)
TEST_OFTEN: Final = Command(
    "test_often", ("T",), "test as often as you say, and count", title="Test Many Times", changes=True
)
COPY: Final = Command("copy", ("y",), "copy the UID; of several one a line", title="Copy UID")
COPY_ROW: Final = Command("copy_row", ("Y",), "copy all that is shown of the device, as text", title="Copy Row")
PALETTE: Final = Command("palette", ("a", "ctrl+p", "colon"), "everything that can be done here")

TROUBLE: Final = (
    Command("trouble(1)", ("n",), "the next one that needs somebody"),
    Command("trouble(-1)", ("N",), "the one before that needs somebody"),
)
RETRY: Final = Command(
    "retry", ("r",), "the same again for what failed or was cancelled", "retry failed", "Retry Failed", changes=True
)
CANCEL: Final = Command(
    "cancel", ("x",), "stop the job at the next step of each device", "cancel", "Cancel Job", changes=True
)
LEAVE: Final = Command("cancel", ("escape",), "leave everything as it is")
AGREE: Final = Command("confirm", ("y",), "do it")
TO_BUTTONS: Final = Command("screen.to_buttons", ("tab", "shift+tab"), "from the field to the buttons")
PAUSE: Final = Command("pause", ("m",), "pause monitoring, or not")
IGNORE: Final = Command("ignore", ("i",), "never offer it again when found, or do")
SHOW_DEVICES: Final = Command("show('devices')", ("d",), "show the devices, or the plan")
SHOW_SKIPPED: Final = Command("show('skipped')", ("s",), "show what is skipped and why, or the plan")
TICK: Final = Command("mark", ("space",), "tick")
TICK_ALL: Final = Command("all", ("asterisk",), "tick all new ones")
TICK_NONE: Final = Command("none", ("u",), "tick none")
ADOPT: Final = Command("adopt", ("enter",), "adopt what is ticked")
SEARCH: Final = Command("search", ("D",), "search the port")
TRY: Final = Command("try", ("enter",), "open it as this, and see what answers")
NEXT_FIELD: Final = Command("step(1)", ("tab", "down"), "next field")
COMPLETE: Final = Command("complete", ("tab",), "take the name into the path")
PARENT: Final = Command("parent", ("shift+tab",), "the folder above")
FORGET: Final = Command("forget", ("ctrl+r",), "forget the selection; its devices stay")
SUBMIT: Final = Command("submit", ("enter",), "take what is typed or marked")
"""Bound by the field itself."""
_CHOOSE: Final = (
    Command("move(1)", ("down", "ctrl+n", "tab"), "next"),
    Command("move(-1)", ("up", "ctrl+p", "shift+tab"), "before"),
)
_SCROLL: Final = (
    Command("scroll(1)", ("down", "j"), "down"),
    Command("scroll(-1)", ("up", "k"), "up"),
    Command("scroll(10)", ("pagedown", "ctrl+d"), "down"),
    Command("scroll(-10)", ("pageup", "ctrl+u"), "up"),
)
BUTTONS: Final = (
    Command("step(1)", ("right", "tab", "l"), "next button"),
    Command("step(-1)", ("left", "shift+tab", "h"), "button before"),
    Command("press", ("enter", "space"), "press it"),
)
FILTERING: Final = (
    Command("leave", ("enter", "down", "tab"), "keep the filter", "keep the filter"),
    Command("clear", ("escape",), "clear the filter", "clear it"),
)
"""While a filter is typed."""

COMMANDS: Final[dict[Place, tuple[Command, ...]]] = {
    Place.DEVICES: (
        Command("palette", ("a", "enter", "ctrl+p", "colon"), "actions on the selection, or the device", "actions"),
        Command("mark", ("space",), "select the device, or no longer", "select"),
        *ON_DEVICES,
        Command("range", ("v",), "select a range: begin, move, end", title="Select a Range"),
        Command("extend(1)", ("shift+down",), "select this one and the next"),
        Command("extend(-1)", ("shift+up",), "select this one and the one before"),
        Command("all", ("asterisk",), "select all that the filter shows", title="Select All Shown"),
        Command("invert", ("I",), "invert the selection of what is shown", title="Invert the Selection"),
        Command("unselect", ("u",), "select none", title="Select None"),
        Command("reselect", ("V",), "select again what was selected before", title="Select Again"),
        Command(
            "kept", ("K",), "keep the selection under a name, or select one that was kept", title="Kept Selections"
        ),
        Command("filter", ("slash",), 'filter: words, field:value, fw:<2.1, !not, a,b, "exactly"', "filter", "Filter"),
        Command("step_back", ("escape",), "clear the filter, then the selection"),
        Command("sort", ("s",), "sort by the next column"),
        Command("reverse", ("S",), "sort the other way round", title="Sort the Other Way Round"),
        Command("order", ("C",), "sort by any column, then by the one sorted by so far", title="Sort"),
        *TROUBLE,
        Command("details", ("i", "l", "right"), "everything about the device", "details", "Details"),
        Command("assign", ("m",), "put into a group, or take out", "group", "Put into a Group", changes=True),
        Command("discover", ("D",), "search a port for devices", "discover", "Discover", changes=True),
        Command("add", ("A",), "add a device by hand", title="Add a Device", changes=True),
        Command("ignored", ("U",), "the devices that searches do not offer", title="Ignored Devices", changes=True),
        EDIT,
        WINK_ON,
        TEST_OFTEN,
        HISTORY,
        COPY,
        COPY_ROW,
        Command("import", ("less_than_sign",), "add devices from a CSV file", title="Import Devices", changes=True),
        Command(
            "export",
            ("greater_than_sign", "O"),
            "write the selected devices, or all shown, to a CSV file",
            title="Export Devices",
        ),
    ),
    Place.GROUPS: (
        Command("members", ("enter", "right", "l"), "its devices", "members"),
        Command("palette", ("a", "ctrl+p", "colon"), "actions on all devices of the group", "actions"),
        *ON_DEVICES,
        TEST_OFTEN,
        Command("new", ("n",), "make a group", "new", "New Group", changes=True),
        Command("rename", ("r",), "rename the group", "rename", "Rename Group", changes=True),
        Command("delete", ("x",), "delete the group; its devices stay", "delete", "Delete Group", changes=True),
    ),
    Place.JOBS: (
        Command("open", ("enter", "right", "l", "i"), "the outcome, device by device", "open", "Open"),
        RETRY,
        CANCEL,
        Command("history", ("H",), "who did what to which device, and what came of it", "history", "History"),
        PALETTE,
    ),
    Place.IMAGES: (
        Command("details", ("enter", "right", "l"), "everything about the image", "details", "Details"),
        Command("import", ("i", "n"), "import an image file", "import", "Import Image", changes=True),
        Command("remove", ("x",), "take the image out of the repository", "remove", "Remove Image", changes=True),
        PALETTE,
    ),
    Place.LICENSES: (
        Command("add", ("n",), "add a license file", "add license", "Add License", changes=True),
        Command(
            "trust", ("t",), "accept licenses signed with a key, by its file", "trust key", "Trust Key", changes=True
        ),
        PALETTE,
    ),
    Place.PORTS: (
        Command(
            "pause",
            ("space", "p"),
            "pause the monitoring of the port, or resume it",
            "pause",
            "Pause or Resume",
            changes=True,
        ),
        Command(
            "pause_all",
            ("P",),
            "pause the monitoring of all ports, or resume it",
            "all",
            "Pause or Resume All",
            changes=True,
        ),
        Command("add", ("n",), "add a port", "add port", "Add Port", changes=True),
        Command("remove", ("x",), "forget the port, when it has no devices", "remove", "Remove Port", changes=True),
        PALETTE,
    ),
    Place.EVENTS: (
        Command("details", ("enter", "i", "right", "l"), "everything about the device", "device", "Device Details"),
        Command("freeze", ("f", "space"), "hold the list still, or let it go on", "freeze", "Freeze"),
        Command("filter", ("slash",), "only events with all of these words", "filter", "Filter"),
        Command("unfilter", ("escape",), "clear the filter"),
        PALETTE,
    ),
    Place.JOB: (
        Command("details", ("enter", "i", "right", "l"), "everything about the device", "device", "Device Details"),
        Command("failures", ("f",), "show failures only, or all", "failures", "Failures Only, or All"),
        *TROUBLE,
        RETRY,
        CANCEL,
        PALETTE,
    ),
    Place.DEVICE: (*ON_DEVICES, EDIT, WINK_ON, TEST_OFTEN, HISTORY, COPY, COPY_ROW, PALETTE),
    Place.HISTORY: (
        Command("open", ("enter", "i"), "the job, device by device", "job", "Open Job"),
        Command("filter", ("slash",), "only lines with all of these words", "filter", "Filter"),
        Command("export", ("e", "O"), "write what is shown to a CSV file", "export", "Export History"),
        PALETTE,
    ),
    Place.LOAD: (
        Command("load", ("enter",), "load the image where it fits, after showing the plan", "load", changes=True),
        Command(
            "load(True)", ("F",), "load it also where it is made for another program", "load with force", changes=True
        ),
        Command("import", ("i", "n"), "import an image file", "import", changes=True),
        Command("other_list", ("tab", "shift+tab"), "to the other list", "other list"),
    ),
    Place.REPLACE: (
        Command("next", ("enter",), "ask the new unit, then step by step", changes=True),
        Command("wink('new')", ("ctrl+n",), "wink at the new unit", "wink at new"),
        Command("wink('old')", ("ctrl+o",), "wink at the old device", "wink at old"),
    ),
    Place.FIRST: (
        Command("try", ("enter",), "try what answers on the port, and add it", "try"),
        Command("virtual", ("v",), "practise on a virtual field, without hardware", "virtual field"),
        Command("other", ("n",), "type the path or the URL of another port", "another port"),
        Command("look", ("r",), "look again which ports there are", "look again"),
        Command("back", ("s",), "to the Devices view, without a port", "skip"),
    ),
    Place.TEXT: (),
    Place.PLAN: (AGREE, PAUSE, IGNORE, SHOW_DEVICES, SHOW_SKIPPED, *_SCROLL),
    Place.CONFIRM: (AGREE,),
    Place.IMPORT: _SCROLL,
    Place.DISCOVER: (TICK, TICK_ALL, TICK_NONE, ADOPT, SEARCH),
    Place.TRIAL: (TRY,),
    Place.ASK: (),
    Place.FORM: (NEXT_FIELD, Command("step(-1)", ("up", "shift+tab"), "field before")),
    Place.PICK: _CHOOSE,
    Place.KEPT: (*_CHOOSE, FORGET),
    Place.FILE: (
        Command("move(1)", ("down", "ctrl+n"), "next"),
        Command("move(-1)", ("up", "ctrl+p"), "before"),
        COMPLETE,
        PARENT,
    ),
    Place.WINK: (),
}

DIALOGS: Final[dict[Place, tuple[Command, ...]]] = {
    Place.PLAN: BUTTONS,
    Place.CONFIRM: BUTTONS,
    Place.IMPORT: BUTTONS,
    Place.DISCOVER: MOVES,
    Place.TRIAL: MOVES,
    Place.ASK: (),
    Place.FORM: (),
    Place.PICK: (),
    Place.KEPT: (),
    Place.FILE: (),
    Place.WINK: (),
}
"""Dialogs, with what their buttons or lists bring. Their own keys are the same for everybody."""

ON_A_ROW: Final = frozenset(
    {
        "palette",
        "mark",
        "details",
        "assign",
        "members",
        "rename",
        "delete",
        "open",
        "remove",
        "pause",
        "pause_all",
        "export",
    }
)
"""What the key line says only where there is a row: the actions of commands."""

VIEWS: Final = (
    Command("view('devices')", ("1",), "Devices"),
    Command("view('groups')", ("2",), "Groups"),
    Command("view('jobs')", ("3",), "Jobs"),
    Command("view('images')", ("4",), "Images"),
    Command("view('licenses')", ("5",), "Licenses"),
    Command("view('ports')", ("6",), "Ports"),
    Command("view('events')", ("7",), "Events"),
    Command("next_view", ("tab",), "next view"),
)

EVERYWHERE: Final = (
    Command("app.undo", ("z",), "undo the last edit: name, group or form", title="Undo", changes=True),
    Command("app.job", ("J",), "the job that runs", title="Show Job"),
    Command("app.theme", ("ctrl+t",), "choose another theme", title="Theme"),
    Command("app.messages", ("exclamation_mark",), "what was said so far", title="Messages"),
    Command("app.help", ("question_mark",), "this page", "help", "Help"),
)
HELP: Final = EVERYWHERE[-1]
CANCEL_START: Final = Command("cancel_start", ("escape",), "before anything else: cancel a job that has not begun")
"""Not bound: the app looks for it before the bindings, and only while there is such a job."""
BACK: Final = Command("back", ("escape", "q", "left", "h"), "back", "back")
QUIT: Final = Command("app.quit", ("q",), "quit; jobs go on")
INTERRUPT: Final = Command("app.quit", ("ctrl+c",), "quit, also while typing")


ON_TOP: Final = frozenset({Place.JOB, Place.DEVICE, Place.HISTORY, Place.LOAD, Place.REPLACE, Place.FIRST, Place.TEXT})
"""Screens that lie on the views and are closed to go back."""


def bindings(*commands: Command) -> list[BindingType]:
    """Commands as Textual binds them."""
    return [command.binding() for command in commands]


def in_words(*keys: tuple[Command, str]) -> str:
    """What a dialog says of its keys: "Enter: Save   Esc: Cancel"."""
    return "   ".join(f"{key_name(command.keys[0])}: {word}" for command, word in keys)


def at(place: Place) -> list[Command]:
    """Everything that is bound there."""
    if place in DIALOGS:
        return [*COMMANDS[place], *DIALOGS[place], LEAVE, HELP, INTERRUPT]
    return [*COMMANDS[place], *MOVES, *_frame(place), *EVERYWHERE, INTERRUPT]


def pages(place: Place) -> list[tuple[str, Sequence[Command]]]:
    """What the help page says there: titles, and the commands under them."""
    if place in DIALOGS:
        return [(place.value, at(place))]
    own = [command for command in COMMANDS[place] if command not in ON_DEVICES]
    chapters: list[tuple[str, Sequence[Command]]] = []
    if own:
        chapters.append((place.value, own))
    if any(command in ON_DEVICES for command in COMMANDS[place]):
        chapters.append(("Actions", ON_DEVICES))
    chapters.append(("Lists", MOVES))
    chapters.append(("Everywhere", (*_frame(place), *EVERYWHERE, CANCEL_START, INTERRUPT)))
    chapters.append(("While a filter is typed", FILTERING))
    chapters.append(("Dialogs", (SUBMIT, *BUTTONS, LEAVE)))
    return chapters


def _frame(place: Place) -> Sequence[Command]:
    return (BACK,) if place in ON_TOP else (*VIEWS, QUIT)
