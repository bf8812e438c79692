"""A mistake in the console itself: the terminal is as it was, and a report says what happened."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import Exit
from tests.end_to_end.installation import Installation
from tests.end_to_end.terminals import Terminal, eventually

FAILS_AT_A_KEY = """
import sys
from tui.app import FieldhandApp
from tui.command_line import main

async def fails():
    secret = "hunter" + "2"
    raise ZeroDivisionError("the price of speed")

def at_once(app):
    raise ZeroDivisionError("the price of speed")

FieldhandApp.action_job = {failure}
sys.exit(main([]))
"""


@pytest.mark.parametrize("failure", ["at_once", "lambda app: app.begin(fails())"])
def test_the_terminal_is_restored_and_the_report_and_the_exit_code_tell(
    installation: Installation, terminal: Callable[..., Terminal], tmp_path: Path, failure: str
) -> None:
    environment = {**installation.environment, "XDG_STATE_HOME": str(tmp_path / "of the user")}
    program = [sys.executable, "-c", FAILS_AT_A_KEY.format(failure=failure)]
    screen = terminal(program, environment, 400)
    screen.shows("No port yet")
    screen.press("J")
    screen.shows("fieldhand: the console failed: ZeroDivisionError", "jobs go on in the worker", "a report lies in ")
    assert screen.wait() == Exit.CRASHED

    shown = screen.text
    assert "Traceback" not in shown
    report = Path(re.search(r"a report lies in (\S.*\.txt)", shown)[1])  # type: ignore[index]
    assert report.is_relative_to(tmp_path)
    text = report.read_text()
    assert "ZeroDivisionError: the price of speed" in text
    assert "Textual 8" in text
    assert "hunter2" not in text


def test_a_report_that_cannot_be_written_is_shown_instead(
    installation: Installation, terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    taken = tmp_path / "a file"
    taken.touch()
    environment = {**installation.environment, "XDG_STATE_HOME": str(taken)}
    screen = terminal([sys.executable, "-c", FAILS_AT_A_KEY.format(failure="at_once")], environment, 200, 60)
    screen.shows("No port yet")
    screen.press("J")
    eventually(lambda: "ZeroDivisionError: the price of speed" in screen.text, lambda: screen.text)
    assert screen.wait() == Exit.CRASHED
