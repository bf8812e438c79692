"""Changes to what is being done: jobs, their tasks, and the journal of steps. Each function is one mutation.

The task row is the truth for taking work up again; the step rows are what was about to be done and
what came of it, written before the first byte and after the last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core import addressing
from core.actions import BY_NAME, Action, AddressUse
from core.errors import FieldhandError, Kind
from core.models import Health, JobState, StepState, TaskState
from core.planning import Plan
from core.rpc import LONGEST_GRACE_SECONDS
from core.store import inventory, views
from core.store.checkpoints import StoredCheckpoint
from core.store.database import Transaction
from drivers.base import (
    Address,
    AddressScope,
    Capability,
    Checkpoint,
    Facts,
    NetworkState,
    Priority,
    Snapshot,
    Step,
    Target,
)

SNAPSHOTS_KEPT: Final = 10
"""Of each device: enough to look back, and a device that is saved every night does not fill the disk."""

AWAITING_SEAT: Final = "waiting for a license seat"
SEAT_PATIENCE_SECONDS: Final = 900.0
"""Whoever imports devices before the license is there adds it within minutes; then they should get an answer."""


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task to be worked on, with what the driver needs to know of its device.

    `cut_off` is where an operation of the same kind stopped on it, by an earlier attempt or another job.
    """

    id: int
    job: int
    action: str
    parameters: Mapping[str, Any]
    target: Target
    attempt: int
    cut_off: StoredCheckpoint | None = None


@dataclass(frozen=True, slots=True)
class AddressSource:
    """Where the addresses of a protocol come from; `candidates` begins anew each time."""

    candidates: Callable[[], Iterable[Address]]
    scope: AddressScope


async def start_job(
    tx: Transaction,
    plan: Plan,
    operator: str,
    priority: Priority,
    addresses: Mapping[str, AddressSource] | None,
    *,
    pauses: bool = False,
    awaits_seats: bool = False,
    grace: float = 0.0,
) -> int:
    """Write down a whole job before anything of it is done: its tasks, and the addresses it will give.

    `addresses` (by protocol) when the action assigns them; a device that holds one from an earlier
    attempt keeps it. `pauses`: it holds the monitoring of its ports while it runs. Raises NOT_ALLOWED
    when addresses run out. With `awaits_seats` devices without a license seat wait for one. Nothing is done
    for `grace` seconds; where only the record has to be changed, that is done then (`begin_due`).
    """
    cursor = await tx.db.execute(
        "INSERT INTO job (action, title, subject, parameters, state, operator, cancelling, priority, pauses,"
        " awaits_seats, not_before, created_at, rev) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
        (
            plan.action,
            f"{plan.title}: {plan.subject}" if plan.subject else plan.title,
            plan.subject,
            json.dumps(dict(plan.parameters)),
            JobState.RUNNING.value,
            operator,
            priority,
            pauses,
            awaits_seats,
            tx.now + grace if grace else 0.0,
            tx.now,
            tx.rev,
        ),
    )
    job = cursor.lastrowid or 0
    queued, skipped = TaskState.QUEUED.value, TaskState.SKIPPED.value
    await tx.db.executemany(
        "INSERT INTO task (job_id, device_id, name, uid, state, step, reason, attempt, finished_at, rev, record_only)"
        " VALUES (?, ?, ?, ?, ?, '', ?, 0, ?, ?, ?)",
        [
            *((job, one.device, one.name, one.uid, queued, "", None, tx.rev, one.port is None) for one in plan.devices),
            *((job, one.device, one.name, one.uid, skipped, one.reason, tx.now, tx.rev, 0) for one in plan.skipped),
        ],
    )
    await tx.db.execute(
        "UPDATE device SET failed_task = NULL, rev = ? WHERE id IN"
        " (SELECT device_id FROM task WHERE job_id = ? AND state = 'queued')",
        (tx.rev, job),
    )
    for protocol, source in (addresses or {}).items():
        await _assign_addresses(tx, job, protocol, source)
    if awaits_seats:
        await tx.db.execute(
            "UPDATE task SET step = ? WHERE job_id = ? AND state = 'queued'"
            " AND device_id IN (SELECT id FROM device WHERE NOT licensed)",
            (AWAITING_SEAT, job),
        )
    if not grace:
        await begin_due(tx)
    return job


async def begin_due(tx: Transaction) -> float | None:
    """Change the records of which the devices are not told, in jobs that may begin; the result: when the next one may.

    What has to be told waits for its port (`next_tasks`).
    """
    rows = await tx.db.execute_fetchall(
        f"SELECT t.id, t.device_id, t.job_id FROM task t JOIN job j ON j.id = t.job_id"
        f" WHERE t.state = 'queued' AND t.record_only AND {_MAY_BEGIN} ORDER BY t.id",
        _grace(tx),
    )
    for row in rows:
        await _end_task(tx, row["id"], TaskState.DONE, "only the record: the device was not told")
        await _remove(tx, row["device_id"], row["job_id"])
    waiting = await tx.db.execute_fetchall(
        f"SELECT min(j.not_before) FROM job j WHERE j.state = 'running' AND NOT ({_MAY_BEGIN})", _grace(tx)
    )
    due: float | None = next(iter(waiting))[0]
    return due


_MAY_BEGIN: Final = "j.not_before NOT BETWEEN ? AND ?"


def _grace(tx: Transaction) -> tuple[float, float]:
    """From when to when a job waits; beyond that the clock was set back, for which no job waits."""
    return tx.now, tx.now + LONGEST_GRACE_SECONDS


async def _remove(tx: Transaction, device: int, job: int) -> None:
    """The record of a device goes, as the job says."""
    row = next(iter(await tx.db.execute_fetchall("SELECT operator, parameters FROM job WHERE id = ?", (job,))))
    ignore = json.loads(row["parameters"])["ignore"]
    await inventory.remove_device(tx, device, row["operator"] if ignore else None)


async def _assign_addresses(tx: Transaction, job: int, protocol: str, source: AddressSource) -> None:
    rows = list(
        await tx.db.execute_fetchall(
            "SELECT d.id, d.port_id, d.address_parts FROM task t JOIN device d ON d.id = t.device_id"
            " WHERE t.job_id = ? AND t.state = 'queued' AND d.protocol = ? AND d.address_key IS NULL ORDER BY t.id",
            (job, protocol),
        )
    )
    ports = {row["port_id"] for row in rows} if source.scope is AddressScope.PORT else {None}
    for port in ports:
        devices = {row["id"]: row["address_parts"] for row in rows if port is None or row["port_id"] == port}
        taken = await inventory.addresses_in_use(tx, protocol, port)
        for device, address in addressing.assign(devices, source.candidates(), taken):
            await inventory.set_address(tx, device, address, source.scope)


async def next_tasks(tx: Transaction, port: int, priority: Priority, limit: int) -> list[OpenTask]:
    """The tasks that wait on a port and may begin, in the order in which they are to be done."""
    rows = await tx.db.execute_fetchall(
        "SELECT t.id, t.job_id, t.attempt, j.action, j.parameters, d.uid, d.program_id, d.address_text,"
        " d.address_parts, d.checkpoint, s.version, s.document"
        " FROM task t JOIN job j ON j.id = t.job_id JOIN device d ON d.id = t.device_id"
        " LEFT JOIN snapshot s ON s.id = (SELECT max(id) FROM snapshot WHERE device_id = d.id)"
        " WHERE t.state = 'queued' AND d.port_id = ? AND j.priority = ? AND (d.licensed OR NOT j.awaits_seats)"
        f" AND NOT t.record_only AND {_MAY_BEGIN} ORDER BY t.id LIMIT ?",
        (port, priority, *_grace(tx), limit),
    )
    return [_open_task(row) for row in rows]


def _open_task(row: Any) -> OpenTask:
    cut_off = StoredCheckpoint.of(row["checkpoint"], row["uid"])
    if cut_off is not None and cut_off.capability != BY_NAME[row["action"]].capability.value:
        cut_off = None
    return OpenTask(
        id=row["id"],
        job=row["job_id"],
        action=row["action"],
        parameters={} if BY_NAME[row["action"]].removes else json.loads(row["parameters"]),
        target=Target(
            uid=row["uid"],
            program_id=row["program_id"],
            address=Address(row["address_text"], json.loads(row["address_parts"])) if row["address_text"] else None,
            snapshot=None if row["document"] is None else Snapshot(row["version"], json.loads(row["document"])),
            checkpoint=None if cut_off is None else Checkpoint(cut_off.data),
        ),
        attempt=row["attempt"] + 1,
        cut_off=cut_off,
    )


async def begin_task(tx: Transaction, task: OpenTask) -> bool:
    """The work on a device begins; False when the task was cancelled meanwhile."""
    cursor = await tx.db.execute(
        "UPDATE task SET state = ?, attempt = ?, started_at = coalesce(started_at, ?), rev = ?"
        " WHERE id = ? AND state = ?",
        (TaskState.RUNNING.value, task.attempt, tx.now, tx.rev, task.id, TaskState.QUEUED.value),
    )
    await _touch_device(tx, task.id)
    return bool(cursor.rowcount)


async def begin_step(tx: Transaction, task: OpenTask, step: Step, finished: int | None) -> int:
    """The intent to do a step, and that the one before it is done; the result is the step's id."""
    if finished is not None:
        await end_step(tx, finished, StepState.DONE, "")
    cursor = await tx.db.execute(
        "INSERT INTO step (task_id, name, recovery, attempt, state, detail, started_at) VALUES (?, ?, ?, ?, ?, '', ?)",
        (task.id, step.name, step.recovery.value, task.attempt, StepState.STARTED.value, tx.now),
    )
    await tx.db.execute(
        "UPDATE task SET step = ?, percent = NULL, detail = '', rev = ? WHERE id = ?", (step.name, tx.rev, task.id)
    )
    await _touch_device(tx, task.id)
    return cursor.lastrowid or 0


async def set_progress(tx: Transaction, task: int, percent: int, detail: str) -> None:
    """How far the present step is."""
    await tx.db.execute(
        "UPDATE task SET percent = ?, detail = ?, rev = ? WHERE id = ?", (percent, detail, tx.rev, task)
    )
    await _touch_device(tx, task)


async def set_checkpoint(tx: Transaction, task: OpenTask, reached: StoredCheckpoint) -> None:
    """Where the operation stands, for whoever goes on with it. Many times a second: screens hear of whole percents."""
    await tx.db.execute(
        "UPDATE device SET checkpoint = ?, rev = iif(json_extract(checkpoint, '$.percent') IS ?, rev, ?)"
        " WHERE id = (SELECT device_id FROM task WHERE id = ?)",
        (reached.to_json(), reached.percent, tx.rev, task.id),
    )


async def keep_snapshot(tx: Transaction, task: OpenTask, snapshot: Snapshot) -> None:
    """The configuration of the device as it was read; the oldest ones go."""
    row = await _device_of(tx, task.id)
    await tx.db.execute(
        "INSERT INTO snapshot (device_id, task_id, uid, program_id, version, document, taken_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            row["id"],
            task.id,
            task.target.uid,
            row["program_id"],
            snapshot.version,
            json.dumps(dict(snapshot.document)),
            tx.now,
        ),
    )
    await tx.db.execute(
        "DELETE FROM snapshot WHERE device_id = ? AND id NOT IN"
        " (SELECT id FROM snapshot WHERE device_id = ? ORDER BY id DESC LIMIT ?)",
        (row["id"], row["id"], SNAPSHOTS_KEPT),
    )


async def learn(tx: Transaction, task: OpenTask, facts: Facts) -> None:
    """What was seen of the device is true although the action is not done yet, or never will be.

    Not so where a new unit takes its place: until it has, nothing of the record changes.
    """
    if BY_NAME[task.action].capability is not Capability.REPLACE:
        row = await _device_of(tx, task.id)
        await _apply(tx, row["id"], facts)
        await _touch_device(tx, task.id)


async def end_step(tx: Transaction, step: int, state: StepState, detail: str) -> None:
    """What came of a step."""
    await tx.db.execute(
        "UPDATE step SET state = ?, detail = ?, finished_at = ? WHERE id = ?",
        (state.value, detail, tx.now, step),
    )


async def task_done(tx: Transaction, task: OpenTask, action: Action, facts: Facts) -> None:
    """The action was done to the device: take over what was seen, and what the action means for the record."""
    await _end_task(tx, task.id, TaskState.DONE, facts.note or "")
    row = await _device_of(tx, task.id)
    if action.removes:
        await _remove(tx, row["id"], task.job)
        return
    if facts.uid is not None:
        await _take_place(tx, row["id"], facts.uid)
    await _apply(tx, row["id"], facts)
    await tx.db.execute(
        "UPDATE device SET health = ?, seen_at = ?, failed_task = NULL,"
        " checkpoint = iif(json_extract(checkpoint, '$.capability') = ?, NULL, checkpoint) WHERE id = ?",
        (Health.NORMAL.value, tx.now, action.capability.value, row["id"]),
    )
    if action.address is AddressUse.ASSIGN:
        await tx.db.execute("UPDATE device SET ours = 1 WHERE id = ?", (row["id"],))
    elif action.address is AddressUse.RELEASE:
        await inventory.set_address(tx, row["id"], facts.address)
        await tx.db.execute(
            "UPDATE device SET ours = 0, marginal = '', health = ? WHERE id = ?",
            (Health.NASCENT.value, row["id"]),
        )


async def task_failed(tx: Transaction, task: OpenTask, error: FieldhandError, facts: Facts) -> None:
    """The action failed on the device; what was seen on the way is still true.

    A device that is to be removed and cannot be told is removed all the same: it may be dead, or gone.
    """
    action = BY_NAME[task.action]
    if action.removes:
        await task_done(tx, task, action, Facts(note=f"only the record: {error}"))
        return
    await _end_task(tx, task.id, TaskState.FAILED, str(error))
    await learn(tx, task, facts)
    row = await _device_of(tx, task.id)
    silent = error.kind is Kind.NO_REPLY and row["state"] == NetworkState.PROVISIONED.value
    if action.capability is Capability.REPLACE:
        silent = False  # the new unit is, which says nothing of the old one
    await tx.db.execute(
        "UPDATE device SET failed_task = ?, health = ? WHERE id = ?",
        (task.id, Health.SUSPECT.value if silent else row["health"], row["id"]),
    )


async def task_cancelled(tx: Transaction, task: int, where: str = "") -> None:
    """The operator stopped it: at a step border, or `where` it can be taken up again."""
    await _end_task(tx, task, TaskState.CANCELLED, f"stopped by the operator{where}")


async def task_interrupted(tx: Transaction, task: int, step: int | None) -> None:
    """It was cut off in the middle: the device is taken up again later, unless the job is being cancelled."""
    if step is not None:
        await end_step(tx, step, StepState.INTERRUPTED, "the port was lost")
    cancelling = "SELECT 1 FROM task t JOIN job j ON j.id = t.job_id WHERE t.id = ? AND j.cancelling"
    if list(await tx.db.execute_fetchall(cancelling, (task,))):
        await task_cancelled(tx, task)
        return
    await tx.db.execute(
        "UPDATE task SET state = ?, percent = NULL, detail = '', rev = ? WHERE id = ?",
        (TaskState.QUEUED.value, tx.rev, task),
    )
    await _touch_device(tx, task)


async def fail_waiting(tx: Transaction, port: int, error: FieldhandError) -> None:
    """Nobody can wait for this port any longer: its tasks fail."""
    rows = await tx.db.execute_fetchall(
        "SELECT t.id, t.device_id FROM task t JOIN device d ON d.id = t.device_id"
        " WHERE t.state = 'queued' AND d.port_id = ? AND NOT t.record_only",
        (port,),
    )
    for row in rows:
        await _end_task(tx, row["id"], TaskState.FAILED, str(error))
        await tx.db.execute("UPDATE device SET failed_task = ? WHERE id = ?", (row["id"], row["device_id"]))


async def seats_awaited(tx: Transaction) -> bool:
    """Whether tasks wait for a license seat; those that waited long enough fail."""
    rows = await tx.db.execute_fetchall(
        "SELECT t.id, t.device_id, j.created_at FROM task t JOIN job j ON j.id = t.job_id"
        " JOIN device d ON d.id = t.device_id"
        " WHERE t.state = 'queued' AND j.awaits_seats AND NOT d.licensed AND j.state = 'running'",
    )
    waiting = False
    for row in rows:
        if tx.now - row["created_at"] < SEAT_PATIENCE_SECONDS:
            waiting = True
            continue
        reason = f"no license seat within {SEAT_PATIENCE_SECONDS / 60:.0f} minutes: 'fieldhand license add' adds some"
        await _end_task(tx, row["id"], TaskState.FAILED, reason)
        await tx.db.execute("UPDATE device SET failed_task = ? WHERE id = ?", (row["id"], row["device_id"]))
    return waiting


async def cancel_job(tx: Transaction, job_id: int) -> None:
    """Cancel what waits, and mark the job so that what runs stops at its next step border; raises NOT_ALLOWED."""
    job = await views.job(tx.db, job_id)
    if job.state is not JobState.RUNNING:
        raise FieldhandError(Kind.NOT_ALLOWED, reason=f"job {job_id} has ended: there is nothing to cancel")
    await tx.db.execute("UPDATE job SET cancelling = 1, rev = ? WHERE id = ?", (tx.rev, job_id))
    rows = await tx.db.execute_fetchall(
        "SELECT id FROM task WHERE job_id = ? AND state = 'queued' ORDER BY id", (job_id,)
    )
    for row in rows:
        await task_cancelled(tx, row["id"])


async def recover(tx: Transaction) -> Sequence[int]:
    """Take over from a worker that did not end in order: whatever it was doing waits again. The result: those tasks.

    A task is walked again from its first step: it starts with identifying its device, and a step that must not
    be done twice (`StepClass`) goes on from the checkpoint that was kept.
    """
    rows = list(await tx.db.execute_fetchall("SELECT id FROM task WHERE state = 'running' ORDER BY id"))
    await tx.db.execute(
        "UPDATE step SET state = ?, detail = 'the worker ended', finished_at = ? WHERE state = ?",
        (StepState.INTERRUPTED.value, tx.now, StepState.STARTED.value),
    )
    for row in rows:
        await task_interrupted(tx, row["id"], None)
    return [row["id"] for row in rows]


async def _end_task(tx: Transaction, task: int, state: TaskState, reason: str) -> None:
    await tx.db.execute(
        "UPDATE task SET state = ?, percent = NULL, detail = '', reason = ?, finished_at = ?, rev = ? WHERE id = ?",
        (state.value, reason, tx.now, tx.rev, task),
    )
    if state is TaskState.CANCELLED:
        # an address that was set aside for a device nothing was sent to is free again
        await tx.db.execute(
            "UPDATE device SET address_text = NULL, address_parts = NULL, address_key = NULL WHERE state = ? AND id ="
            " (SELECT device_id FROM task WHERE id = ?)"
            " AND NOT EXISTS (SELECT 1 FROM task t WHERE t.device_id = device.id AND t.attempt > 0)",
            (NetworkState.UNPROVISIONED.value, task),
        )
    await _touch_device(tx, task)
    await tx.db.execute(
        "UPDATE job SET rev = ?, state = iif(cancelling, ?, ?), finished_at = ? WHERE id ="
        " (SELECT job_id FROM task WHERE id = ?) AND NOT EXISTS"
        " (SELECT 1 FROM task t WHERE t.job_id = job.id AND t.state IN ('queued', 'running'))",
        (tx.rev, JobState.CANCELLED.value, JobState.DONE.value, tx.now, task),
    )


async def _apply(tx: Transaction, device: int, facts: Facts) -> None:
    await tx.db.execute(
        "UPDATE device SET state = coalesce(?, state), application = coalesce(?, application),"
        " program_id = coalesce(?, program_id), model = coalesce(?, model), firmware = coalesce(?, firmware),"
        " marginal = coalesce(?, marginal) WHERE id = ?",
        (facts.state, facts.application, facts.program_id, facts.model, facts.firmware, facts.marginal, device),
    )
    if facts.address is not None:  # it is not ours: neither is the address that was set aside for it
        await inventory.set_address(tx, device, facts.address)


async def _take_place(tx: Transaction, device: int, uid: str) -> None:
    """The record is about another unit from now on; what was known of the old one as a piece of hardware goes.

    Raises DUPLICATE_UID when the record of another device has that UID.
    """
    for row in await tx.db.execute_fetchall("SELECT name FROM device WHERE uid = ? AND id <> ?", (uid, device)):
        raise FieldhandError(Kind.DUPLICATE_UID, uid=uid, device=row["name"])
    await tx.db.execute(
        "UPDATE device SET uid = ?, model = NULL, firmware = NULL, marginal = '', checkpoint = NULL WHERE id = ?",
        (uid, device),
    )
    await tx.db.execute("DELETE FROM ignored WHERE uid = ?", (uid,))


async def _touch_device(tx: Transaction, task: int) -> None:
    await tx.db.execute(
        "UPDATE device SET rev = ? WHERE id = (SELECT device_id FROM task WHERE id = ?)", (tx.rev, task)
    )


async def _device_of(tx: Transaction, task: int) -> Any:
    rows = await tx.db.execute_fetchall(
        "SELECT d.* FROM device d JOIN task t ON t.device_id = d.id WHERE t.id = ?", (task,)
    )
    return next(iter(rows))
