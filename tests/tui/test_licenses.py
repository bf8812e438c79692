from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import FieldhandError, Kind
from core.rpc import AddLicense, TrustKey
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.screens.file_picker import FileDialog


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "more.json").write_text('{"license": 1}')
    (tmp_path / "vendor.pem").write_text("PEM")
    monkeypatch.chdir(tmp_path)


async def test_seats_and_licenses_are_seen_together(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("5")
        assert "35 of 40 seats in use" in operator.screen()
        assert "1 waits for one: n adds a license" in operator.screen()
        assert "never" in operator.line("▸ l")


async def test_a_license_file_is_added_and_a_refusal_says_why(engine: FakeEngine, open_console: OpenConsole) -> None:
    async with open_console() as operator:
        await operator.press("5")
        assert "No licenses yet" in operator.screen()
        engine.errors[AddLicense] = FieldhandError(Kind.LICENSE, reason="its signature is not valid")
        await operator.press("n")
        await operator.type("more")
        await operator.press("enter")
        await operator.until(lambda: "its signature is not valid" in operator.screen())
        assert isinstance(operator.app.screen, FileDialog)
        engine.errors.clear()
        await operator.press("enter")
        assert engine.called(AddLicense)[-1] == AddLicense(text='{"license": 1}')
        await operator.until(lambda: operator.message == "license l for 200 devices is in use")
        await operator.up_to_date()
        assert "200" in operator.line("▸ l")


async def test_a_key_is_trusted(engine: FakeEngine, open_console: OpenConsole) -> None:
    async with open_console() as operator:
        await operator.press("5", "t", "enter")
        assert engine.called(TrustKey) == [TrustKey(key="PEM")]
        assert operator.message == "licenses signed with key k-1 are accepted now"


async def test_an_expired_license_is_marked(engine: FakeEngine, open_console: OpenConsole) -> None:
    await engine.add_license(10)
    await engine.change("UPDATE license SET expires = 1700000000")
    async with open_console() as operator:
        await operator.press("5")
        assert "2023-11-14" in operator.line("▸ l")
        assert "0 of 0 seats in use" in operator.screen()
