"""`fieldhand import`, `export`, `history`: devices and what was done to them, as CSV."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import aiosqlite

from core.errors import Exit, FieldhandError
from core.interchange import export_text, history_text
from core.models import Job, Task
from core.rpc import ImportDevices, ImportReport
from core.store import views
from tui.commands.devices import find
from tui.commands.parsing import Commands
from tui.commands.session import Session, table, when
from tui.files import read_text, write_text

STANDARD_OUTPUT: Final = "-"


def add(commands: Commands) -> None:
    """Add these commands."""
    importing = commands.add("import", _import, "make devices of a CSV file in the columns of the SmartServer CMS")
    importing.add_argument("file", type=Path, metavar="FILE.csv")
    importing.add_argument("--dry-run", action="store_true", help="say what would be done, and what is wrong")
    importing.add_argument("--port", help="for devices of a protocol that has several ports")
    importing.add_argument(
        "--provision", action="store_true", help="provision them too, those without a license seat when they get one"
    )
    exporting = commands.add("export", _export, "write the devices as CSV in the columns of the SmartServer CMS")
    exporting.add_argument("file", metavar="FILE.csv", help="- for standard output")
    exporting.add_argument("--full", action="store_true", help="with group, port, program ID and location")
    exporting.add_argument("--force", action="store_true", help="write over a file that is there")
    history = commands.add("history", _history, "who did what to which device when, and what came of it")
    history.add_argument("--device", help="of this device only: name, UID or id")
    history.add_argument("--csv", action="store_true", help="as CSV")
    history.add_argument("--limit", type=int, default=1000, help="the newest so many (1000 unless set)")


async def _import(arguments: argparse.Namespace, session: Session) -> Exit:
    text = read_text(arguments.file)
    request = ImportDevices(text=text, port=arguments.port, dry_run=arguments.dry_run, provision=arguments.provision)
    async with session.worker() as worker:
        report = await worker.call(request)
    session.say(_as_text(report, dry_run=arguments.dry_run), report.model_dump(mode="json"))
    return Exit.REFUSED if report.problems else Exit.DONE


def _as_text(report: ImportReport, *, dry_run: bool) -> str:
    if report.problems:
        rows = [(problem.line, problem.column, problem.reason) for problem in report.problems]
        wrong = table(rows, ("Line", "Column", "What is wrong"), "")
        return f"{wrong}\n{len(rows)} problems: nothing was imported"
    verb = "would be added" if dry_run else "added"
    lines = [f"{len(report.added)} devices {verb}, {len(report.known)} are there already"]
    if report.groups:
        lines.append(f"groups {verb}: {', '.join(report.groups)}")
    if report.seats_short:
        lines.append(f"{report.seats_short} license seats short: 'fieldhand license add' adds some")
    if report.job is not None:
        lines.append(f"job {report.job} provisions them")
    return "\n".join(lines)


async def _export(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        devices = await views.devices(db)
    text = export_text(devices, full=arguments.full)
    if arguments.file == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return Exit.DONE
    write_text(Path(arguments.file), text, overwrite=arguments.force)
    session.say(f"{len(devices)} devices in {arguments.file}", {"file": arguments.file, "devices": len(devices)})
    return Exit.DONE


async def _history_of(db: aiosqlite.Connection, device: str | None, limit: int) -> list[tuple[Job, Task]]:
    if device is None:
        return await views.history(db, limit=limit)
    try:
        return await views.history(db, (await find(db, device)).id, limit=limit)
    except FieldhandError:
        gone = await views.history(db, called=device, limit=limit)
        if not gone:
            raise
        return gone


async def _history(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        history = await _history_of(db, arguments.device, arguments.limit)
    if arguments.csv:
        sys.stdout.write(history_text(history))
        return Exit.DONE
    rows = [
        (
            when(task.finished_at or task.started_at or job.created_at),
            job.operator,
            job.action,
            job.id,
            task.name,
            task.uid,
            task.state.value,
            task.reason,
        )
        for job, task in history
    ]
    heading = ("Time", "By", "Action", "Job", "Device", "UID", "Outcome", "Reason")
    data = [
        asdict(task) | {"action": job.action, "operator": job.operator, "seconds": task.seconds}
        for job, task in history
    ]
    session.say(table(rows, heading, "nothing was done yet"), data)
    return Exit.DONE
