"""An operator's own keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import FieldhandError, Kind
from core.rpc import StartJob
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.bindings import Place
from tui.keymap import VARIABLE, Keymap, names


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
