from __future__ import annotations

from core.models import TaskState
from core.rpc import CancelJob, RetryJob
from tests.tui.conftest import OpenConsole
from tests.tui.field import NOW, FakeEngine, plant
from tui.console import GRACE_SECONDS
from tui.screens.job import JobScreen


async def test_a_running_job_shows_on_its_line_and_in_the_rows(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        job = await engine.start_job("provision", "Provision Selected", [1, 3], NOW)
        await engine.run_task(job, 1, percent=60)
        await operator.up_to_date()
        assert "◐ running 60%" in operator.line("AHU-03")
        assert "Provision 2" in operator.screen()
        assert "0/2" in operator.screen()
        await engine.end_task(job, 1)
        operator.clock.pass_(4)
        await operator.up_to_date()
        assert "1/2" in operator.screen()
        assert "4 s left" in operator.screen()
        assert "● ok" in operator.line("AHU-03")


async def test_the_end_of_a_job_started_here_is_told(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("t")
        await engine.end_task(2, 1, TaskState.DONE, "answers, 3 errors")
        await engine.end_job(2)
        await operator.up_to_date()
        await operator.until(lambda: operator.message == "Test AHU-03 supply fan: answers, 3 errors")


async def test_a_failure_is_told_and_stays_on_the_device(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("p")
        await engine.end_task(2, 1, TaskState.FAILED, "no answer")
        await engine.end_job(2)
        await operator.up_to_date()
        assert "✖ failed: no ans" in operator.line("AHU-03 ")
        await operator.until(lambda: operator.message == "Provision AHU-03 supply fan: no answer")


async def test_jobs_are_listed_running_first(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    await engine.start_job("test", "Test Selected", [5, 6], NOW - 60)
    await engine.start_job("wink", "Wink", [7], NOW, ended=True)
    async with open_console() as operator:
        await operator.press("3")
        lines = operator.screen().splitlines()
        assert "Test Selected" in lines[3]
        assert "Wink" in lines[4]


async def test_a_job_opens_device_by_device_and_shows_failures_only(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    job = await engine.start_job("provision", "Provision Selected", [25, 26])
    await engine.end_task(job, 25, TaskState.FAILED, "no answer")
    async with open_console() as operator:
        await operator.press("J")
        assert isinstance(operator.app.screen, JobScreen)
        await operator.until(lambda: "VAV 5.02" in operator.screen())
        assert "no answer" in operator.line("VAV 5.01")
        await operator.press("f")
        assert "VAV 5.02" not in operator.screen()
        await engine.end_task(job, 26, TaskState.FAILED, "refused")
        await operator.up_to_date()
        await operator.until(lambda: "refused" in operator.line("VAV 5.02"))


async def test_what_failed_is_retried(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    job = await engine.start_job("provision", "Provision Selected", [25, 26], ended=True)
    await engine.end_task(job, 25, TaskState.FAILED, "no answer")
    async with open_console() as operator:
        await operator.press("3", "r")
        assert engine.called(RetryJob) == [RetryJob(job=job, grace=GRACE_SECONDS)]


async def test_cancelling_a_job_asks_first(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    job = await engine.start_job("provision", "Provision Selected", [25, 26])
    async with open_console() as operator:
        await operator.press("3", "x", "enter")
        assert engine.called(CancelJob) == []
        await operator.press("x", "y")
        assert engine.called(CancelJob) == [CancelJob(job=job)]


async def test_an_ended_job_is_neither_cancelled_nor_retried(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    job = await engine.start_job("test", "Test", [5], ended=True)
    await engine.end_task(job, 5)
    async with open_console() as operator:
        await operator.press("3", "x")
        assert operator.message == f"job {job} has ended already"
        await operator.press("r")
        assert "nothing to retry" in operator.message
        assert engine.calls == []


async def test_leaving_tells_that_jobs_go_on(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    await engine.start_job("test", "Test", [5])
    async with open_console() as operator:
        await operator.press("q")
        assert operator.app._exit
        assert "1 job" in str(operator.app._exit_renderables)


async def test_the_outcome_of_the_one_device_is_told_when_the_others_were_skipped(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        job = await engine.start_job("provision", "Provision Selected", [25, 26])
        await operator.up_to_date()
        operator.app.watch_job(job)
        await engine.end_task(job, 25, TaskState.SKIPPED, "already provisioned")
        await engine.end_task(job, 26, TaskState.FAILED, "no answer")
        await engine.end_job(job)
        await operator.up_to_date()
        await operator.until(lambda: operator.message == "Provision Selected VAV 5.02 west: no answer")
