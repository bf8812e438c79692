"""The palette finds what is meant by a few letters."""

from __future__ import annotations

import pytest

from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.screens.history import HistoryScreen
from tui.screens.palette import Palette


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("ldim", "Load Image"),
        ("prosel", "Provision Selected"),
        ("dpv", "Deprovision Selected"),
        ("csv", "Import Devices"),
        ("inv", "Invert the Selection"),
        ("test", "Test Selected"),
    ],
)
async def test_a_few_letters_are_enough_and_the_nearest_is_first(
    engine: FakeEngine, open_console: OpenConsole, typed: str, first: str
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "ctrl+p")
        await operator.type(typed)
        assert operator.line("│  ▸").split("▸")[1].strip().startswith(first)


async def test_letters_that_are_nowhere_find_nothing_and_it_says_so(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("ctrl+p")
        await operator.type("xyzzy")
        assert "Nothing matches." in operator.screen()


@pytest.mark.parametrize("keys", [("3",), ("J",), ("3", "H")])
async def test_it_opens_wherever_there_is_a_list(
    engine: FakeEngine, open_console: OpenConsole, keys: tuple[str, ...]
) -> None:
    await plant(engine)
    await engine.start_job("provision", "Provision Selected", [1, 2], 0.0)
    async with open_console() as operator:
        await operator.up_to_date()
        await operator.press(*keys, "ctrl+p")
        assert isinstance(operator.app.screen, Palette)
        await operator.press("escape", "colon")
        assert isinstance(operator.app.screen, Palette)


async def test_the_palette_of_a_job_does_what_its_keys_do(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    await engine.start_job("provision", "Provision Selected", [1, 2], 0.0)
    async with open_console() as operator:
        await operator.up_to_date()
        await operator.press("J", "ctrl+p")
        await operator.type("failonly")
        await operator.press("enter")
        assert "Nothing failed." in operator.screen()


async def test_the_palette_of_the_jobs_shows_the_history(engine: FakeEngine, open_console: OpenConsole) -> None:
    async with open_console() as operator:
        await operator.press("3", "a")
        await operator.type("his")
        await operator.press("enter")
        assert isinstance(operator.app.screen, HistoryScreen)
