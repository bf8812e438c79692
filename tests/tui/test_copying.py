"""Copying through the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, Spec, plant


@pytest.fixture(autouse=True)
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what was copied lies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fieldhand" / "copied.txt"


async def test_y_copies_the_uid_to_the_terminal_and_into_a_file(
    engine: FakeEngine, open_console: OpenConsole, copied: Path
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("y")
        assert operator.app.clipboard == "00D071150900"
        assert operator.message == f"00D071150900 sent to the terminal, and to {copied}"
    assert copied.read_text() == "00D071150900\n"  # noqa: ASYNC240 - nothing else waits


async def test_where_the_file_cannot_be_written_it_says_so(
    engine: FakeEngine, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    await plant(engine)
    async with open_console() as operator:
        await operator.press("y")
        assert operator.app.clipboard == "00D071150900"
        assert "copied.txt" in operator.message
        assert operator.app.site.message is not None
        assert operator.app.site.message.bad


async def test_the_uids_of_several_are_copied_one_a_line(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "space", "y")
        assert operator.app.clipboard.splitlines() == ["00D071150900", "00D071150907"]
        assert operator.message.startswith("2 UIDs sent to the terminal, and to ")


async def test_the_row_is_copied_as_text(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("j", "j", "i", "Y")
        name, uid, status, group, *_ = operator.app.clipboard.split("\t")
        assert (name, uid, group) == ("AHU-05 supply fan", "00D07115090E", "roof")
        assert status.startswith("unprovisioned") or status == "failed: no answer at write domain after 4 tries"
        assert operator.message.startswith("AHU-05 supply fan sent to the terminal, and to ")


async def test_what_a_device_says_of_itself_stays_in_its_cell(engine: FakeEngine, open_console: OpenConsole) -> None:
    await engine.add_port()
    await engine.add(Spec("fan\t\x1b[31m\nred"))
    async with open_console() as operator:
        await operator.press("Y")
        assert operator.app.clipboard.count("\t") == 6
        assert "\x1b" not in operator.app.clipboard
        assert "\n" not in operator.app.clipboard


async def test_a_device_without_a_uid_has_none_to_copy(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    await engine.change("UPDATE device SET uid = NULL, rev = :rev WHERE id = 1")
    async with open_console() as operator:
        await operator.press("y")
        assert operator.message == "no UID to copy: it is not known yet"
