"""`fieldhand jobs …`: what is being done and what came of it."""

from __future__ import annotations

import argparse
from typing import Any

from core.actions import BY_NAME
from core.errors import Exit
from core.models import Job, Task
from core.rpc import CancelJob, RetryJob
from core.store import views
from drivers.base import Capability
from tui.commands.parsing import Commands
from tui.commands.session import Session, table


def add(commands: Commands) -> None:
    """Add these commands."""
    jobs = commands.group("jobs", "list the jobs, running ones first", _list)
    jobs.add("show", _show, "the outcome of a job, device by device").add_argument("job", type=int)
    jobs.add("cancel", _cancel, "stop a job at the next step of each device").add_argument("job", type=int)
    jobs.add("retry", _retry, "do a job again for the devices that failed").add_argument("job", type=int)


def job_as_json(job: Job) -> dict[str, Any]:
    """A job as scripts get it."""
    return {
        "job": job.id,
        "action": job.action,
        "title": job.title,
        "operator": job.operator,
        "state": job.state.value,
        "total": job.total,
        "done": job.done,
        "failed": job.failed,
        "skipped": job.skipped,
        "cancelled": job.cancelled,
    }


def outcome_as_json(job: Job, tasks: list[Task]) -> dict[str, Any]:
    """What came of a job as scripts get it; the keys are kept stable."""
    return {
        "job": job.id,
        "action": job.action,
        "done": job.done,
        "failed": job.failed,
        "skipped": job.skipped,
        "cancelled": job.cancelled,
        "tasks": [
            {
                "device": task.name,
                "uid": task.uid,
                "outcome": task.state.value,
                "reason": task.reason,
                "seconds": task.seconds,
            }
            for task in tasks
        ],
    }


def outcome_as_text(tasks: list[Task]) -> str:
    """The devices of a job, one a line."""
    rows = (
        (task.name, task.uid, task.state.value, task.reason or (doing(task) if task.state.open else ""))
        for task in tasks
    )
    return table(rows, ("Device", "UID", "Outcome", "Reason"), "no devices")


def doing(task: Task) -> str:
    """What is being done to a device, and how far it is."""
    percent = "" if task.percent is None else f"{task.percent} %"
    return ", ".join(said for said in (task.step, percent, task.detail) if said)


def exit_code(job: Job) -> Exit:
    """What a job that ended means to a script."""
    return Exit.FAILED if job.failed or job.cancelled else Exit.DONE


async def _list(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        jobs = await views.jobs(db)
    rows = [
        (job.id, job.title, job.operator, job.state.value, f"{job.ended}/{job.total}", job.failed, job.skipped)
        for job in jobs
    ]
    session.say(
        table(rows, ("Job", "Action", "Operator", "State", "Ended", "Failed", "Skipped"), "no jobs yet"),
        [job_as_json(job) for job in jobs],
    )
    return Exit.DONE


async def _show(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        job = await views.job(db, arguments.job)
        tasks = await views.tasks(db, arguments.job)
    heading = f"job {job.id}, {job.title}, by {job.operator}: {job.state.value}, {job.ended} of {job.total} devices"
    session.say(f"{heading}\n{outcome_as_text(tasks)}", outcome_as_json(job, tasks) | {"state": job.state.value})
    return Exit.DONE


async def _cancel(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        job = await views.job(db, arguments.job)
    async with session.worker() as worker:
        await worker.call(CancelJob(job=arguments.job))
    left = job.running if BY_NAME[job.action].capability is Capability.LOAD else 0
    text = f"job {arguments.job} is being cancelled"
    if left:
        devices = "1 device" if left == 1 else f"{left} devices"
        text += f"; that can leave {devices} without application: 'fieldhand resume' goes on there"
    session.say(text, {"job": arguments.job, "left_without_application": left})
    return Exit.DONE


async def _retry(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.worker() as worker:
        again = await worker.call(RetryJob(job=arguments.job))
    session.say(f"job {again} does job {arguments.job} again for what failed", {"job": again})
    return Exit.DONE
