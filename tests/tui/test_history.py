from __future__ import annotations

import csv
from pathlib import Path

import pytest

from core.models import TaskState
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.screens.job import JobScreen


@pytest.fixture(autouse=True)
def _written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def with_a_past(engine: FakeEngine) -> None:
    await plant(engine)
    job = await engine.start_job("test", "Test Selected", [5, 6], ended=True)
    await engine.end_task(job, 5, TaskState.DONE, "answers, 3 errors")
    await engine.end_task(job, 6, TaskState.FAILED, "no answer")


async def test_history_tells_who_did_what_to_which_device_and_what_came_of_it(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await with_a_past(engine)
    async with open_console((120, 24)) as operator:
        await operator.press("3", "H")
        line = operator.line("VAV 3.15")
        assert "ada" in line
        assert "test" in line
        assert "done: answers, 3 errors" in line
        assert "failed: no answer" in operator.line("AHU-05")
        await operator.press("enter")
        await operator.until(lambda: isinstance(operator.app.screen, JobScreen))


async def test_what_was_done_to_a_device_that_is_gone_stays(engine: FakeEngine, open_console: OpenConsole) -> None:
    await with_a_past(engine)
    await engine.remove(5)
    async with open_console() as operator:
        await operator.press("3", "H")
        assert "VAV 3.15" in operator.screen()


async def test_the_history_of_one_device(engine: FakeEngine, open_console: OpenConsole) -> None:
    await with_a_past(engine)
    async with open_console() as operator:
        await operator.press("H")
        assert "Nothing was done to AHU-03 supply fan yet." in operator.screen()
        await operator.press("escape", "j", "j", "i", "H")
        assert "1 line" in operator.screen()
        assert "AHU-05" in operator.screen()


async def test_history_is_filtered_and_what_is_shown_is_written_to_a_file(
    engine: FakeEngine, open_console: OpenConsole, tmp_path: Path
) -> None:
    await with_a_past(engine)
    async with open_console() as operator:
        await operator.press("3", "H", "slash")
        await operator.type("vav failed")
        assert "1 of 3" in operator.screen()
        await operator.press("enter", "e", "enter")
        await operator.until(lambda: "written to" in operator.message)
        (line,) = csv.DictReader((tmp_path / "history.csv").open())
        assert (line["device"], line["outcome"], line["reason"]) == ("VAV 3.16 east", "failed", "no answer")


async def test_a_file_that_is_there_is_overwritten_only_after_asking(
    engine: FakeEngine, open_console: OpenConsole, tmp_path: Path
) -> None:
    await with_a_past(engine)
    (tmp_path / "history.csv").write_text("precious")
    async with open_console() as operator:
        await operator.press("3", "H", "e", "enter")
        await operator.until(lambda: "Overwrite  " in operator.screen())
        await operator.press("enter")
        assert (tmp_path / "history.csv").read_text() == "precious"
        await operator.until(lambda: "stays as it is" in operator.screen())
        await operator.press("enter")
        await operator.until(lambda: "Overwrite  " in operator.screen())
        await operator.press("y")
        await operator.until(lambda: "written to" in operator.message)
        assert "AHU-05" in (tmp_path / "history.csv").read_text()
