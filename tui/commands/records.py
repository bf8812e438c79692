"""`fieldhand device journal|snapshot`: what was done to a device step by step, and its configuration as it was kept."""

from __future__ import annotations

import argparse
import json
from typing import Any

from core.errors import Exit, FieldhandError, Kind
from core.models import Device, Job, JournalStep, StepState, StoredSnapshot, Task
from core.store import views
from core.text import printable
from tui.commands.parsing import Commands
from tui.commands.session import Session, when


def add(device: Commands) -> None:
    """Add these commands to those of `device`."""
    device.add("journal", _journal, "what was done to a device, step by step").add_argument("device")
    device.add("snapshot", _snapshot, "the configuration that was saved last, as JSON").add_argument("device")


def snapshots_as_json(snapshots: list[StoredSnapshot]) -> list[dict[str, Any]]:
    """When the configuration was kept, and of which unit."""
    return [{"taken": when(snapshot.taken_at), "uid": snapshot.uid} for snapshot in snapshots]


def interrupted_as_json(device: Device) -> dict[str, Any] | None:
    """What was cut off on the device."""
    cut_off = device.interrupted
    if cut_off is None:
        return None
    return {"action": cut_off.action, "image": cut_off.image, "sha256": cut_off.sha256, "percent": cut_off.percent}


def interrupted_as_text(device: Device) -> str:
    """The same in a few words, "" for nothing."""
    cut_off = device.interrupted
    if cut_off is None:
        return ""
    return f"{cut_off.action} of {cut_off.image} at {cut_off.percent} %" if cut_off.image else cut_off.action


async def _journal(arguments: argparse.Namespace, session: Session) -> Exit:
    from tui.commands.devices import find  # noqa: PLC0415 - which adds these commands to its own

    async with session.store() as db:
        device = await find(db, arguments.device)
        done = await views.tasks_of_device(db, device.id)
        steps = {task.id: await views.steps(db, task.id) for _, task in done}
    text = "\n\n".join(_task_as_text(job, task, steps[task.id]) for job, task in done)
    session.say(text or "nothing was done to it yet", [_task_as_json(job, task, steps[task.id]) for job, task in done])
    return Exit.DONE


def _task_as_text(job: Job, task: Task, steps: list[JournalStep]) -> str:
    outcome = f": {printable(task.reason)}" if task.reason else ""
    lines = [f"job {job.id}, {printable(job.title)}, by {printable(job.operator)}: {task.state.value}{outcome}"]
    for step in steps:
        attempt = f", attempt {step.attempt}" if step.attempt > 1 else ""
        lines.append(f"  {when(step.started_at)}  {step.state.value:<11}  {printable(step.name)}{attempt}")
        if step.state is StepState.FAILED:
            lines += [f"    {printable(line)}" for line in step.detail.splitlines()]
    return "\n".join(lines)


def _task_as_json(job: Job, task: Task, steps: list[JournalStep]) -> dict[str, Any]:
    return {
        "job": job.id,
        "action": job.action,
        "title": job.title,
        "operator": job.operator,
        "uid": task.uid,
        "outcome": task.state.value,
        "reason": task.reason,
        "steps": [
            {
                "step": step.name,
                "state": step.state.value,
                "attempt": step.attempt,
                "started": when(step.started_at),
                "finished": None if step.finished_at is None else when(step.finished_at),
                "detail": step.detail.splitlines(),
            }
            for step in steps
        ],
    }


async def _snapshot(arguments: argparse.Namespace, session: Session) -> Exit:
    from tui.commands.devices import find  # noqa: PLC0415 - which adds these commands to its own

    async with session.store() as db:
        device = await find(db, arguments.device)
        snapshots = await views.snapshots(db, device.id)
    if not snapshots:
        reason = "no configuration was saved: 'fieldhand snapshot' saves it"
        raise FieldhandError(Kind.INVALID, what="device", value=arguments.device, reason=reason)
    newest = snapshots[0]
    document = {
        "device": device.name,
        "uid": newest.uid,
        "program_id": newest.program_id,
        "taken": when(newest.taken_at),
        "version": newest.version,
        "configuration": dict(newest.document),
    }
    session.say(json.dumps(document, indent=2), document)
    return Exit.DONE
