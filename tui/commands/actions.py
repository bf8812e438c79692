"""`fieldhand provision|deprovision|test|wink …`: one command for each entry of the catalogue."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from functools import partial
from typing import Any, Final

import aiosqlite

from core.actions import ACTIONS, Action, Scope
from core.client import SocketClient
from core.errors import Exit, FieldhandError, Kind
from core.models import Job, JobState
from core.planning import Plan
from core.rpc import MakePlan, PinPressed, Selection, StartJob
from core.store import views
from core.text import printable
from tui.commands.devices import find
from tui.commands.jobs import doing, exit_code, outcome_as_json
from tui.commands.parsing import Commands
from tui.commands.session import Session, note, table

UNIT: Final = "uid"
"""The parameter that names a unit: it can also say so itself, by its service pin."""


def add(commands: Commands) -> None:
    """Add a command for each action."""
    for action in ACTIONS:
        parser = commands.add(action.name, partial(_run, action), action.help)
        several = action.scopes != {Scope.DEVICE}
        parser.add_argument("device", nargs="*" if several else 1, metavar="DEVICE", help="name, UID or id")
        if Scope.GROUP in action.scopes:
            parser.add_argument("--group", help="all devices of this group")
        if Scope.ALL in action.scopes:
            parser.add_argument("--all", action="store_true", help="all devices of the site")
        parser.set_defaults(group=None, all=False)
        parser.add_argument("--yes", action="store_true", help="the plan is agreed to")
        parser.add_argument("--dry-run", action="store_true", help="show the plan and do nothing")
        parser.add_argument("--no-wait", action="store_true", help="start the job and leave")
        parser.set_defaults(pause=None)
        if action.pauses_monitoring:
            parser.add_argument(
                "--pause",
                action=argparse.BooleanOptionalAction,
                help="whether monitoring is paused while it runs (unless set: as the plan proposes)",
            )
        for field in dataclasses.fields(action.parameters):
            _add_parameter(parser, field)


def _add_parameter(parser: argparse.ArgumentParser, field: dataclasses.Field[Any]) -> None:
    """An option for a parameter: a switch, a value with a default, or one that must be given."""
    option, name, text = f"--{field.name.replace('_', '-')}", f"parameter_{field.name}", field.metadata["help"]
    if field.default is False:
        parser.add_argument(option, dest=name, action="store_true", help=text)
    elif field.name == UNIT:
        either = parser.add_mutually_exclusive_group(required=True)
        either.add_argument(option, dest=name, metavar="UID", help=text)
        either.add_argument("--service-pin", action="store_true", help="the unit whose service pin is pressed next")
    elif field.default is dataclasses.MISSING:
        parser.add_argument(option, dest=name, required=True, metavar=field.name.upper(), help=text)
    else:
        default = field.default
        parser.add_argument(option, dest=name, default=default, help=f"{text} ({default} unless set)")


async def _run(action: Action, arguments: argparse.Namespace, session: Session) -> Exit:
    selection = await _selection(arguments, session)
    parameters = {
        field.name: getattr(arguments, f"parameter_{field.name}") for field in dataclasses.fields(action.parameters)
    }
    async with session.worker() as worker:
        if UNIT in parameters and arguments.service_pin:
            parameters[UNIT] = await _pressed(session, worker, selection)
        plan = await worker.call(MakePlan(action=action.name, selection=selection, parameters=parameters))
        if arguments.dry_run:
            session.say(plan_as_text(plan, arguments.pause), plan_as_json(plan))
            return Exit.DONE if plan.devices else Exit.REFUSED
        if plan.devices and _asks(plan, arguments) and not _agrees(action, plan, arguments.pause):
            return Exit.REFUSED
        start = StartJob(
            action=action.name,
            selection=selection,
            parameters=parameters,
            agreed=tuple(planned.device for planned in plan.devices),
            pause=_pauses(plan, arguments.pause),
        )
        job = await worker.call(start)
        if not arguments.no_wait:
            await _wait(session, worker, job)
    return await _report(action, session, job, ended=not arguments.no_wait)


async def _pressed(session: Session, worker: SocketClient, selection: Selection) -> str:
    """The UID of the new unit that says so next, on the port of the device whose place it takes."""
    presses = worker.notices()
    async with session.store() as db:
        (device,) = await views.devices_by_id(db, selection.devices or ())
    sys.stderr.write(f"press the service pin of the new unit on {device.port} (Ctrl-C ends)\n")
    async for notice in presses:
        if isinstance(notice, PinPressed) and notice.port == device.port:
            uid = notice.device.found.uid
            if not notice.device.known:
                sys.stderr.write(f"{uid} it is\n")
                return uid
            sys.stderr.write(f"{uid} is {notice.device.name}: waiting for the new unit\n")
    raise FieldhandError(Kind.NO_WORKER, reason="it ended before a service pin was pressed")


async def _selection(arguments: argparse.Namespace, session: Session) -> Selection:
    chosen = [bool(arguments.device), arguments.group is not None, arguments.all]
    if sum(chosen) != 1:
        raise FieldhandError(
            Kind.INVALID,
            what="selection",
            value=" ".join(arguments.device),
            reason="name devices, or give --group NAME, or --all: one of the three",
        )
    if arguments.all:
        return Selection()
    if arguments.group is not None:
        return Selection(group=arguments.group)
    async with session.store() as db:
        return Selection(devices=tuple([(await find(db, text)).id for text in arguments.device]))


def _asks(plan: Plan, arguments: argparse.Namespace) -> bool:
    """Whether somebody has to agree: to the plan, or only to the pause, where there is somebody to be asked."""
    if arguments.yes:
        return False
    about_pause = plan.monitoring is not None and plan.monitoring.asks and arguments.pause is None
    return plan.asks or (about_pause and sys.stdin.isatty())


def _pauses(plan: Plan, wanted: bool | None) -> bool | None:
    """What was agreed to: what the operator said, else what the plan proposed then."""
    if wanted is None and plan.monitoring is not None:
        return plan.monitoring.pauses
    return wanted


def _agrees(action: Action, plan: Plan, pause: bool | None) -> bool:
    if not sys.stdin.isatty():
        raise FieldhandError(
            Kind.INVALID,
            what="plan",
            value=plan.title,
            reason="it has to be agreed to: give --yes, or --dry-run to see it",
        )
    note(plan_as_text(plan, pause))
    note(f"{action.label} {len(plan.devices)}? " + (f'type "{plan.typed}"' if plan.typed else "y/n"))
    agreed = sys.stdin.readline().strip().lower() in ([plan.typed] if plan.typed else ["y", "yes"])
    if not agreed:
        note("nothing was done")
    return agreed


async def _wait(session: Session, worker: SocketClient, job_id: int) -> None:
    """Until the job has ended; each change of the store is a reason to look again."""
    shown = ""
    async with session.store() as db:
        notices = worker.notices()
        while (job := await views.job(db, job_id)).state is JobState.RUNNING:
            if sys.stderr.isatty() and (now := await _progress(db, job)) != shown:
                sys.stderr.write(f"\r{now}\x1b[K")
                shown = now
            try:
                await anext(notices)
            except StopAsyncIteration:
                raise FieldhandError(
                    Kind.NO_WORKER, reason=f"it ended; job {job_id} goes on when it is started again"
                ) from None
    if shown:
        sys.stderr.write("\r\x1b[K")


async def _progress(db: aiosqlite.Connection, job: Job) -> str:
    if job.total == 1 and (tasks := [task for task in await views.tasks(db, job.id) if task.state.open]):
        return f"{job.title}: {printable(doing(tasks[0]))}"
    return f"{job.title}: {job.ended} of {job.total}, {job.failed} failed"


async def _report(action: Action, session: Session, job_id: int, *, ended: bool) -> Exit:
    async with session.store() as db:
        job = await views.job(db, job_id)
        tasks = await views.tasks(db, job_id)
    if not ended:
        session.say(
            f"job {job_id} started; 'fieldhand jobs show {job_id}' tells how it goes", outcome_as_json(job, tasks)
        )
        return Exit.DONE
    rows = [(task.name, task.uid, task.state.value, task.reason) for task in tasks if task.reason]
    counts = [f"{job.done} {action.past}", f"{job.failed} failed"]
    counts += [f"{job.skipped} skipped"] * bool(job.skipped) + [f"{job.cancelled} cancelled"] * bool(job.cancelled)
    seconds = (job.finished_at or job.created_at) - job.created_at
    summary = f"{', '.join(counts)} in {seconds:.1f} s (job {job.id})"
    detail = table(rows, ("Device", "UID", "Outcome", "Reason"), "")
    session.say(f"{detail}\n{summary}" if detail else summary, outcome_as_json(job, tasks))
    return exit_code(job)


def plan_as_text(plan: Plan, pause: bool | None = None) -> str:
    """The plan for people; `pause` is what was said of the pause of monitoring."""
    total = len(plan.devices) + len(plan.skipped)
    ports = ", ".join(plan.ports)
    lines = [
        f"{plan.title}{': ' + plan.subject if plan.subject else ''}",
        f"  {len(plan.devices)} of {total} devices" + (f", about {plan.seconds:.0f} s on {ports}" if ports else ""),
        *(f"  skipped  {count} {reason}" for reason, count in plan.reasons),
        f"  seats    {plan.seats.used} of {plan.seats.capacity} in use"
        + (f", {plan.seats_short} short: 'fieldhand license add' adds some" if plan.seats_short else ""),
        *(f"  warning  {warning}" for warning in plan.warnings),
        *(f"  by hand  {sentence}" for sentence in plan.by_hand),
    ]
    if plan.monitoring is not None:
        outcome = "paused by this job, then resumed" if _pauses(plan, pause) else "goes on"
        lines.append(f"  monitoring {plan.monitoring.events_per_second} events/s, {outcome}")
    return "\n".join(lines)


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """The plan for scripts."""
    return dataclasses.asdict(plan)
