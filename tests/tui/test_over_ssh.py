"""Over a slow link less is sent."""

from __future__ import annotations

import pytest

from core.errors import FieldhandError
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine
from tui.feed import PAUSE_BETWEEN_READS, PAUSE_OVER_SSH
from tui.pace import repaints, settle


@pytest.mark.parametrize(("connection", "pause"), [(None, PAUSE_BETWEEN_READS), ("10.0.0.2 5022", PAUSE_OVER_SSH)])
async def test_over_ssh_the_lists_change_half_as_often_and_nothing_moves_by_itself(
    engine: FakeEngine,
    open_console: OpenConsole,
    monkeypatch: pytest.MonkeyPatch,
    connection: str | None,
    pause: float,
) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    if connection is not None:
        monkeypatch.setenv("SSH_CONNECTION", connection)
    async with open_console() as operator:
        assert operator.app.feed.pause == pause
        assert operator.app.animation_level == "none"


@pytest.mark.parametrize(
    ("environment", "given", "expected"),
    [
        ({}, None, 60),
        ({"SSH_CONNECTION": "10.0.0.2 5022"}, None, 20),
        ({"SSH_CONNECTION": "10.0.0.2 5022", "FIELDHAND_REPAINTS": "2"}, None, 2),
        ({"SSH_CONNECTION": "10.0.0.2 5022", "FIELDHAND_REPAINTS": "2"}, "60", 60),
        ({"FIELDHAND_REPAINTS": ""}, None, 60),
    ],
)
def test_the_screen_is_repainted_as_often_as_the_line_bears(
    environment: dict[str, str], given: str | None, expected: int
) -> None:
    settle(environment, given)
    assert environment["TEXTUAL_FPS"] == str(expected)


@pytest.mark.parametrize("wanted", ["0", "61", "many", "-1", "²"])
def test_repaints_that_cannot_be_are_refused(wanted: str) -> None:
    with pytest.raises(FieldhandError, match="it takes a number from 1 to 60"):
        repaints({}, wanted)


async def test_the_lists_change_no_oftener_than_the_screen_is_repainted(
    engine: FakeEngine, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textual.constants.MAX_FPS", 2)
    async with open_console() as operator:
        assert operator.app.feed.pause == 0.5
