"""The console without a screen."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.client import SocketClient
from core.models import TaskState
from core.paths import StateDirectory
from tests.tui.field import NOW, FakeEngine, StillClock, plant
from tui import plain
from tui.feed import Feed
from tui.plain import Teller


async def told(engine: FakeEngine, teller: Teller, feed: Feed) -> None:
    """One read of the store, as the feed makes it."""
    db = await engine._read()
    try:
        teller.hear(await feed._read(db))
    finally:
        await db.close()


async def test_it_begins_with_how_the_site_stands_and_then_says_what_changes(engine: FakeEngine) -> None:
    await plant(engine)
    lines: list[str] = []
    teller, feed = Teller(lines.append), Feed(engine, engine.store, lambda _: None, StillClock())
    await told(engine, teller, feed)
    assert lines == [
        "plant-3: 36 devices: 1 failed, 1 down, 1 no application, 1 suspect, 1 marginal, 1 unlicensed, 1 elsewhere,"
        " 13 unprovisioned, 16 ok; 1 of 1 port open; 35 of 40 seats used; 0 jobs running"
    ]
    job = await engine.start_job("provision", "Provision Selected", [25, 26], NOW)
    await told(engine, teller, feed)
    await engine.end_task(job, 25, TaskState.FAILED, "no answer")
    await told(engine, teller, feed)
    await engine.end_task(job, 26)
    await engine.end_job(job)
    await told(engine, teller, feed)
    await told(engine, teller, feed)
    assert lines[1:] == [
        "job 2, Provision 2: running, 0 of 2 done",
        "VAV 5.01 west failed: no answer",
        "job 2, Provision 2: running, 0 of 2 done, 1 failed",
        "job 2, Provision 2: done, 1 of 2 done, 1 failed",
    ]


async def test_lines_are_commands_until_quit(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[Sequence[str]] = []

    def run(words: Sequence[str]) -> int:
        ran.append(words)
        if words[-1] == "nonsense":
            raise SystemExit(2)
        return 0

    async def connect(directory: StateDirectory) -> FakeEngine:
        return engine

    monkeypatch.setattr(SocketClient, "connect_or_start", connect)
    monkeypatch.setattr("sys.stdin", io.StringIO('provision --group "plant room" --yes\n\nnonsense\n"\nquit\nstatus\n'))
    directory = StateDirectory(tmp_path)
    assert await plain.plain(directory, run) == 0
    state = ["--state", str(tmp_path)]
    assert ran == [[*state, "provision", "--group", "plant room", "--yes"], [*state, "nonsense"]]
    said = capsys.readouterr().out
    assert "done: provision" in said
    assert "exit code 2: nonsense" in said
    assert "not understood: No closing quotation" in said
