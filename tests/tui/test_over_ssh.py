"""Over a slow link less is sent."""

from __future__ import annotations

import pytest

from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine
from tui.feed import PAUSE_BETWEEN_READS, PAUSE_OVER_SSH


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
