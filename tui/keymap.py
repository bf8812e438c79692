"""The operator's own keys: a TOML file of names and keys, checked as a whole before the console opens.

    provision = "P"
    devices.sort = ["f", "ctrl+f"]

Names are those of the catalogue's actions, of what works everywhere, and "view.command" for the rest. A command
that is the same in two views has the same keys in both.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final

import platformdirs
from textual.keys import Keys, _character_to_key

from core.actions import ACTIONS
from core.errors import FieldhandError, Kind
from tui.bindings import (
    BACK,
    COMMANDS,
    DIALOGS,
    EVERYWHERE,
    INTERRUPT,
    MOVES,
    ON_DEVICES,
    QUIT,
    VIEWS,
    Command,
    Place,
    at,
    is_text,
    key_name,
)

VARIABLE: Final = "FIELDHAND_KEYS"
FILE_NAME: Final = "keys.toml"
_NAMED_KEYS: Final = frozenset(key.value for key in Keys)
_NAMED: Final = re.compile(r"\{([a-z.-]+)\}")
_MODIFIERS: Final = re.compile(r"((?:ctrl|shift|alt)\+)*")


@dataclass(frozen=True)
class Keymap:
    """Which keys do what; without a file, those of `tui.bindings`."""

    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By the id of the command."""

    def effective(self, commands: Sequence[Command], *, read_only: bool = False) -> tuple[Command, ...]:
        """The commands with the operator's keys; without those that change something where nothing may be changed."""
        return tuple(
            replace(command, keys=self.changed[command.id]) if command.id in self.changed else command
            for command in commands
            if not (read_only and command.changes)
        )

    def spell(self, hint: str, *, read_only: bool = False) -> Sequence[tuple[str, bool]]:
        """A hint with the first key of each command that it names in braces, and which of the pieces are keys.

        Empty where one of them is not there: nobody is told of a key that does nothing.
        """
        pieces: list[tuple[str, bool]] = []
        for place, text in enumerate(_NAMED.split(hint)):
            is_name = place % 2 == 1
            commands = self.effective([names()[text]], read_only=read_only) if is_name else ()
            if is_name and not commands:
                return ()
            pieces.append((key_name(commands[0].keys[0]) if commands else text, is_name))
        return pieces

    def for_textual(self) -> dict[str, str]:
        """As `App.set_keymap` takes it."""
        return {identity: ",".join(keys) for identity, keys in self.changed.items()}

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Keymap:
        """From $FIELDHAND_KEYS, else keys.toml in the platform's directory; raises FILE, which says what is wrong."""
        named = environment.get(VARIABLE)
        path = Path(named or Path(platformdirs.user_config_dir("fieldhand")) / FILE_NAME).expanduser()
        if not named and not path.exists():
            return cls()
        import tomllib  # noqa: PLC0415 - few operators have such a file

        try:
            with path.open("rb") as file:
                written = tomllib.load(file)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise FieldhandError(Kind.FILE, path=str(path), reason=reason or "it cannot be read") from error
        try:
            return cls.of(written)
        except ValueError as error:
            raise FieldhandError(Kind.FILE, path=str(path), reason=str(error)) from error

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Keymap:
        """From what the file says; raises ValueError, which names what does not fit."""
        known = names()
        changed: dict[str, tuple[str, ...]] = {}
        for name, keys in _flat(written):
            if name not in known:
                near = get_close_matches(name, known, n=1)
                raise ValueError(f"nothing is called {name!r}" + (f": is {near[0]!r} meant?" if near else ""))
            changed[known[name].id] = _keys(name, keys)
        keymap = cls(changed)
        keymap._check()
        return keymap

    def _check(self) -> None:
        called = {command.id: name for name, command in names().items()}
        for place in Place:
            users: defaultdict[str, list[str]] = defaultdict(list)
            for command in self.effective(at(place)):
                for key in command.keys:
                    users[key].append(called.get(command.id, command.name))
            for key, both in users.items():
                if len(both) > 1:
                    one, other, *_ = both
                    raise ValueError(f"key {key_name(key)!r} would mean both {one!r} and {other!r} in {place.value}")
        for command in self.effective((*COMMANDS[Place.REPLACE], BACK, INTERRUPT)):
            if all(is_text(key) for key in command.keys):
                raise ValueError(f"{called[command.id]!r} needs a key that works while text is typed, such as 'ctrl+y'")


@cache
def names() -> Mapping[str, Command]:
    """What keys can be given to, by name. The keys of dialogs are the same for everybody."""
    found = {action.name: command for action, command in zip(ACTIONS, ON_DEVICES, strict=True)}
    found |= {command.name: command for command in (*EVERYWHERE, *VIEWS, QUIT, BACK)}
    found["interrupt"] = INTERRUPT
    found |= {f"lists.{command.name}": command for command in MOVES}
    for place, commands in COMMANDS.items():
        mine = [command for command in commands if place not in DIALOGS and command not in ON_DEVICES]
        found |= {f"{place.name.lower()}.{command.name}": command for command in mine}
    return found


def _flat(written: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in written.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _keys(name: str, written: object) -> tuple[str, ...]:
    keys = [written] if isinstance(written, str) else written
    if not isinstance(keys, list) or not keys:
        raise ValueError(f"{name!r} takes a key or a list of keys")
    return tuple(_key(name, key) for key in keys)


def _key(name: str, written: object) -> str:
    if isinstance(written, str):
        modifiers = written[: _MODIFIERS.match(written).end()]  # type: ignore[union-attr]
        plain = written.removeprefix(modifiers)
        if len(plain) == 1 and plain.isprintable() and plain not in ",":
            return modifiers + (_character_to_key(plain) if plain != " " else "space")
        if plain in _NAMED_KEYS:
            return modifiers + plain
    raise ValueError(f"{name!r}: there is no key {written!r}")
