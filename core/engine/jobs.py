"""Doing the tasks of one port: as many devices at once as its driver makes use of, a person's before a job's.

A task walks the driver's steps. Every step is in the journal before a byte of it is sent; what came
of it is there before the next one begins.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from core.actions import BY_NAME
from core.engine.images import Images
from core.engine.pace import Pace
from core.engine.ports import PortKeeper
from core.errors import FieldhandError, Kind
from core.models import StepState
from core.store import journal
from core.store.checkpoints import StoredCheckpoint
from core.store.database import Transaction, Writer
from core.store.journal import OpenTask
from drivers.base import (
    Capability,
    Checkpoint,
    Driver,
    Facts,
    Image,
    PortError,
    Priority,
    Progress,
    Snapshot,
    Step,
)

logger = logging.getLogger(__name__)

INTERACTIVE_AT_ONCE: Final = 4
"""Places kept free for a person, whatever the jobs are doing."""
TASKS_FETCHED_AHEAD: Final = 64
"""How many tasks a lane reads from the store at once."""
PORT_PATIENCE_SECONDS: Final = 600.0
"""A cable pulled by mistake is back within minutes; then whoever waits for the job should get an answer."""
MOST_ATTEMPTS = 20
"""A device at which the port is lost so often is to blame itself; the others must not wait for it."""
PROGRESS_SECONDS: Final = 0.5
"""How often the progress inside a step is written down: it is for the eye only."""


@dataclass
class _Lane:
    """The tasks of one priority: those read from the store and those under way."""

    priority: Priority
    waiting: deque[OpenTask] = field(default_factory=deque)
    running: set[asyncio.Task[None]] = field(default_factory=set)


def _places(lane: _Lane, driver: Driver) -> int:
    """On how many devices what waits there next may be done at the same time."""
    if lane.priority is Priority.INTERACTIVE:
        return INTERACTIVE_AT_ONCE
    return driver.at_once(BY_NAME[lane.waiting[0].action].capability)


class PortJobs:
    """The runner of one port. `on_fault` hears of what must never happen: work that could not be written down."""

    def __init__(
        self, keeper: PortKeeper, writer: Writer, images: Images, on_fault: Callable[[BaseException], None]
    ) -> None:
        self._keeper = keeper
        self._writer = writer
        self._images = images
        self._on_fault = on_fault
        self._lost: Driver | None = None
        """The driver whose port went away; a new one is waited for."""
        self._cancelling: set[int] = set()
        """Jobs that are to stop, as long as anything of them runs here."""
        self._lanes = (_Lane(Priority.INTERACTIVE), _Lane(Priority.JOB))
        self._wake = asyncio.Event()
        self._taken: dict[int, OpenTask] = {}
        """What is in the lanes' `running`, by id."""
        self._task = asyncio.create_task(self._run(), name=f"jobs on {keeper.port.name}")
        self._task.add_done_callback(self._stopped)

    def wake(self) -> None:
        """There may be new work."""
        for lane in self._lanes:
            lane.waiting.clear()  # what is new may have to go first
        self._wake.set()

    def cancel(self, job: int) -> None:
        """Stop the tasks of a job at their next step border or checkpoint."""
        if self._runs(job):
            self._cancelling.add(job)
        self.wake()

    async def close(self) -> None:
        """Stop where things stand: what is under way stays open in the store and is taken up at the next start."""
        running = [self._task, *(task for lane in self._lanes for task in lane.running)]
        for task in running:
            task.cancel()
        await asyncio.wait(running)

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(PORT_PATIENCE_SECONDS):
                    driver = await self._keeper.ready(other_than=self._lost)
            except TimeoutError:
                await self._give_up()
                continue
            self._wake.clear()
            for lane in self._lanes:
                await self._fill(lane, driver)
            await self._wake.wait()

    def _stopped(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._on_fault(problem)

    async def _give_up(self) -> None:
        problem = self._keeper.problem or PortError(
            Kind.PORT_LOST, port=self._keeper.port.name, reason="it is not open"
        )
        await self._writer.run(lambda tx: journal.fail_waiting(tx, self._keeper.port.id, problem))

    async def _fill(self, lane: _Lane, driver: Driver) -> None:
        if not lane.waiting:
            limit = TASKS_FETCHED_AHEAD + len(lane.running)
            fetched = await self._writer.run(
                lambda tx: journal.next_tasks(tx, self._keeper.port.id, lane.priority, limit)
            )
            lane.waiting.extend(task for task in fetched if task.id not in self._taken)
        while lane.waiting and len(lane.running) < _places(lane, driver):
            task = lane.waiting.popleft()
            self._taken[task.id] = task
            work = asyncio.create_task(self._do(task, lane.priority, driver), name=f"task {task.id}")
            lane.running.add(work)
            work.add_done_callback(partial(self._ended, lane, task))

    def _ended(self, lane: _Lane, task: OpenTask, work: asyncio.Task[None]) -> None:
        lane.running.discard(work)
        del self._taken[task.id]
        if not self._runs(task.job):
            self._cancelling.discard(task.job)
        self._wake.set()
        if not work.cancelled() and (problem := work.exception()) is not None:
            self._on_fault(problem)

    def _runs(self, job: int) -> bool:
        return any(task.job == job for task in self._taken.values())

    async def _do(self, task: OpenTask, priority: Priority, driver: Driver) -> None:
        if not await self._writer.run(lambda tx: journal.begin_task(tx, task)):
            return
        walk = _Walk(task, priority, driver, self._writer, self._images)
        try:
            finished = await walk.through(lambda: task.job in self._cancelling)
            await (walk.done() if finished else walk.cancelled())
        except PortError as problem:
            logger.warning("task %d: %s", task.id, problem)
            self._lost = driver
            self._keeper.lost(driver, problem)
            if task.attempt >= MOST_ATTEMPTS:
                await walk.failed(problem)
            else:
                await self._writer.run(lambda tx: journal.task_interrupted(tx, task.id, walk.step))
        except FieldhandError as problem:
            await walk.failed(problem)
        except Exception as problem:
            logger.exception("task %d", task.id)  # a fault in a driver fails this device, not the whole worker
            await walk.failed(FieldhandError(Kind.INTERNAL, reason=f"{type(problem).__name__}: {problem}"))


class _Walk:
    """One device's way through the steps of an action."""

    def __init__(self, task: OpenTask, priority: Priority, driver: Driver, writer: Writer, images: Images) -> None:
        self.step: int | None = None
        """The journal's id of the step under way."""
        self._task = task
        self._action = BY_NAME[task.action]
        self._priority = priority
        self._driver = driver
        self._writer = writer
        self._images = images
        self._image: Image | None = None
        self._force: bool = task.parameters.get("force", False)
        self._facts = Facts()
        self._kept = Facts()
        """What of the facts is in the record already."""
        self._pace = Pace()
        self._percent = 0
        self._reached: StoredCheckpoint | None = None
        """The last checkpoint of this attempt."""
        self._midway = False
        """Stopped at a checkpoint, in the middle of a step."""
        self._progress_due = 0.0

    async def through(self, cancelled: Callable[[], bool]) -> bool:
        """Walk all steps; False when it was stopped at a step border or a checkpoint."""
        parameters = await self._parameters()
        events = self._driver.perform(self._action.capability, self._task.target, parameters, self._priority)
        async with aclosing(events):
            async for event in events:
                match event:
                    case Step():
                        if cancelled():
                            return False
                        self._pace.begin()
                        self.step = await self._writer.run(partial(self._begin, event, self.step))
                    case Progress():
                        await self._show(event)
                    case Facts():
                        await self._learn(event)
                    case Checkpoint():
                        await self._writer.run(partial(self._mark, event))
                        if cancelled():
                            self._midway = True
                            return False
                    case Snapshot():
                        await self._writer.run(partial(journal.keep_snapshot, task=self._task, snapshot=event))
        return True

    async def _parameters(self) -> Mapping[str, Any]:
        """What the driver is given: an image itself, not its name; of what was cut off, what it was begun with."""
        task = self._task
        if self._action.capability is not Capability.LOAD:
            return task.parameters
        if not self._action.resumes:
            sha256 = task.parameters["image"]
        elif task.cut_off is not None:
            sha256, self._force = task.cut_off.sha256, task.cut_off.force
        else:
            raise FieldhandError(Kind.NOT_ALLOWED, reason="there is nothing to go on with")
        self._image = await self._images.read(task.job, sha256)
        if task.cut_off is not None and task.cut_off.sha256 == sha256:
            self._percent = task.cut_off.percent
        return {"image": self._image, "force": self._force}

    async def done(self) -> None:
        """Everything was done."""

        async def end(tx: Transaction) -> None:
            await self._end_step(tx, StepState.DONE, "")
            await journal.task_done(tx, self._task, self._action, self._facts)

        await self._writer.run(end)

    async def cancelled(self) -> None:
        """The operator stopped it."""

        where = f" at {self._reached.percent} % of {self._reached.image}" if self._reached and self._image else ""

        async def end(tx: Transaction) -> None:
            state = StepState.INTERRUPTED if self._midway else StepState.DONE
            await self._end_step(tx, state, "stopped by the operator" if self._midway else "")
            await journal.learn(tx, self._task, self._facts)
            await journal.task_cancelled(tx, self._task.id, where)

        await self._writer.run(end)

    async def failed(self, problem: FieldhandError) -> None:
        """It cannot go on; the journal keeps what was on the wire."""
        detail = "\n".join([str(problem), *self._frames()])

        async def end(tx: Transaction) -> None:
            await self._end_step(tx, StepState.FAILED, detail)
            await journal.task_failed(tx, self._task, problem, self._facts)

        await self._writer.run(end)

    def _frames(self) -> list[str]:
        try:
            return self._driver.frames(self._task.target.uid)
        except Exception:
            logger.exception("frames of task %d", self._task.id)  # a fault in a driver; the reason still counts
            return []

    async def _begin(self, step: Step, finished: int | None, tx: Transaction) -> int:
        return await journal.begin_step(tx, self._task, step, finished)

    async def _mark(self, reached: Checkpoint, tx: Transaction) -> None:
        """Everything before the checkpoint is done: so it says on the disk, before the driver goes on."""
        image = self._image
        checkpoint = StoredCheckpoint(
            capability=self._action.capability.value,
            uid=self._task.target.uid,
            image=image.name if image else "",
            sha256=image.sha256 if image else "",
            force=self._force,
            percent=self._percent,
            data=reached.data,
        )
        await self._keep_facts(tx)
        await journal.set_checkpoint(tx, self._task, checkpoint)
        self._reached = checkpoint

    async def _keep_facts(self, tx: Transaction) -> None:
        """Should the work end here, the record says how the device was left."""
        if self._kept != self._facts:
            await journal.learn(tx, self._task, self._facts)
            self._kept = self._facts

    async def _end_step(self, tx: Transaction, state: StepState, detail: str) -> None:
        if self.step is not None:
            await journal.end_step(tx, self.step, state, detail)

    async def _show(self, progress: Progress) -> None:
        if not progress.total:
            return
        self._percent = 100 * progress.done // progress.total
        now = time.monotonic()
        detail = self._pace.describe(progress, now)
        if now >= self._progress_due:
            self._progress_due = now + PROGRESS_SECONDS
            await self._writer.run(lambda tx: journal.set_progress(tx, self._task.id, self._percent, detail))

    async def _learn(self, seen: Facts) -> None:
        fields = (field.name for field in dataclasses.fields(Facts))
        known = {name: value for name in fields if (value := getattr(seen, name)) is not None}
        self._facts = dataclasses.replace(self._facts, **known)
        if seen.application is False:  # however the work ends, the record must not call it a working device
            await self._writer.run(self._keep_facts)
