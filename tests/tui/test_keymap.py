"""An operator's own keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import FieldhandError, Kind
from core.rpc import StartJob
from tests.tui import tour
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, ok, plant
from tests.tui.operator import Operator
from tui.bindings import Place, is_text
from tui.keymap import VARIABLE, Keymap, names
from tui.screens.dialog import Dialog
from tui.screens.main import MainScreen


def keys_file(folder: Path, text: str) -> dict[str, str]:
    path = folder / "keys.toml"
    path.write_text(text)
    return {VARIABLE: str(path)}


async def test_a_changed_key_does_it_and_the_old_one_no_longer(
    engine: FakeEngine, open_console: OpenConsole, tmp_path: Path
) -> None:
    await plant(engine)
    keymap = Keymap.load(keys_file(tmp_path, 'provision = "f"\ndevices.filter = ["F", "/"]\nhelp = "%"'))
    async with open_console((120, 80), keymap=keymap) as operator:
        assert "f provision" in operator.screen().splitlines()[-1]
        assert "% help" in operator.screen().splitlines()[-1]
        await operator.press("p")
        assert engine.called(StartJob) == []
        await operator.press("f")
        assert [call.action for call in engine.called(StartJob)] == ["provision"]
        await operator.press("percent_sign")
        help_line = operator.line("bring into service in this site")
        assert help_line.split()[0] == "f"
        assert "F  /" in operator.screen()
        await operator.press("q", "a")
        assert " f " in operator.line("Provision")


async def test_two_actions_can_swap_their_keys(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console(keymap=Keymap.of({"provision": "d", "deprovision": "p"})) as operator:
        await operator.press("d")
        assert [call.action for call in engine.called(StartJob)] == ["provision"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('provison = "f"', "nothing is called 'provison': is 'provision' meant?"),
        ('provision = "s"', "key 's' would mean both 'provision' and 'devices.sort' in Devices"),
        ('jobs.open = "J"', "key 'J' would mean both 'jobs.open' and 'job' in Jobs"),
        ('lists.first = "*"\ndevices.all = "%"', "key '*' would mean both 'all' and 'lists.first' in Discover"),
        ('interrupt = "ctrl+n"', "key 'Ctrl-n' would mean both 'replace.wink-new' and 'interrupt' in Replace"),
        ('back = "#"', "'back' needs a key that works while text is typed, such as 'ctrl+y'"),
        ('plan.confirm = "j"', "nothing is called 'plan.confirm'"),
        ('provision = "nokey"', "'provision': there is no key 'nokey'"),
        ("provision = 3", "'provision' takes a key or a list of keys"),
        ("provision = []", "'provision' takes a key or a list of keys"),
        ("provision =", "Invalid value"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FieldhandError) as error:
        Keymap.load(keys_file(tmp_path, text))
    assert error.value.kind is Kind.FILE
    assert said in str(error.value)
    assert "keys.toml" in str(error.value)


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(FieldhandError, match="No such file"):
        Keymap.load({VARIABLE: str(tmp_path / "none.toml")})


def test_without_a_file_the_keys_are_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert Keymap.load({}) == Keymap()
    (tmp_path / "fieldhand").mkdir()
    (tmp_path / "fieldhand" / "keys.toml").write_text('undo = "Z"')
    assert list(Keymap.load({}).changed.values()) == [("Z",)]


def test_every_name_stands_for_a_command_of_its_own() -> None:
    assert all(name == name.lower() and " " not in name for name in names())
    for place in Place:
        mine = [command.id for name, command in names().items() if name.startswith(f"{place.name.lower()}.")]
        assert len(set(mine)) == len(mine)


IN_FIELDS = ("back", "interrupt", "replace.next", "replace.wink-new", "replace.wink-old")
"""What has to work while text is typed."""
NEW_LETTERS = [chr(code) for code in range(0x430, 0x4FF) if chr(code).isalpha()]
NEW_CONTROLS = [f"ctrl+{letter}" for letter in "bgryf"]
ALL_OTHER = Keymap.of(dict(zip(names(), NEW_LETTERS, strict=False)) | dict(zip(IN_FIELDS, NEW_CONTROLS, strict=True)))
"""Every key that can be changed is another, none of which is on a Latin keyboard."""
A_KEY = re.compile(r"(?<![\w'\",./-])(?<!\d )([b-zB-Z?!*]|Esc|Enter|Space|Tab|PgUp|PgDn|Home|End)(?![\w'-]|\.\w)")
"""A single letter or the name of a key in a text; not an article, and not the unit of an age."""


def named_on(operator: Operator) -> set[str]:
    """The old keys that are named on the screen and in what was said; those of dialogs are the same as ever."""
    texts = [said.text for said in operator.app.site.said]
    if not isinstance(operator.app.screen, Dialog):
        texts.append(operator.screen())
    return {key for text in texts for key in A_KEY.findall(text)}


def test_every_key_but_those_of_dialogs_can_be_another() -> None:
    assert set(ALL_OTHER.changed) == {command.id for command in names().values()}
    assert all(is_text(key) != key.startswith("ctrl") for keys in ALL_OTHER.changed.values() for key in keys)


async def test_no_screen_names_a_key_that_was_changed(engine: FakeEngine, open_console: OpenConsole) -> None:
    await tour.furnish(engine)
    seen = set()
    async with open_console((120, 50), keymap=ALL_OTHER) as operator:
        async for name in tour.tour(operator):
            seen.add(name)
            assert named_on(operator) == set(), name
    assert seen >= tour.screens() - {"MainScreen", *tour.MADE_BY_HAND}


@pytest.mark.parametrize("keymap", [Keymap(), ALL_OTHER], ids=["as it was", "changed"])
async def test_an_empty_site_says_what_to_do_in_the_keys_of_the_operator(
    engine: FakeEngine, open_console: OpenConsole, keymap: Keymap
) -> None:
    async with open_console(keymap=keymap) as operator:
        named = set()
        for view in tour.VIEWS:
            await tour.press(operator, f"view-{view}")
            named |= named_on(operator)
            for command in ("provision", "devices.palette", "devices.discover", "devices.add"):
                if view in ("devices", "groups"):
                    await tour.press(operator, command)
                    named |= named_on(operator)
                    while not isinstance(operator.app.screen, MainScreen):
                        await operator.press("escape")
        await engine.add_port()
        await engine.add(ok("one", "1/1", licensed=False))
        await operator.up_to_date()
        await tour.press(operator, "view-licenses")
        named |= named_on(operator)
        assert named == set() if keymap is ALL_OTHER else named >= {"D", "n", "t", "L", "m", "i"}
