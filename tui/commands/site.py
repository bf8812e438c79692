"""`fieldhand port …`, `site`, `status`, `worker …`: what the devices hang on, and who works on them."""

from __future__ import annotations

import argparse
import time
from typing import Any

from core.client import SocketClient
from core.errors import Exit, FieldhandError
from core.models import JobState, Mode, Port, Seats
from core.rpc import AddPort, EditSite, RemovePort, StopWorker
from core.store import views
from tui.commands.jobs import job_as_json
from tui.commands.parsing import Commands
from tui.commands.session import Session, fields, table


def add(commands: Commands) -> None:
    """Add these commands."""
    port = commands.group("port", "the ports of this gateway")
    port.add("list", _list_ports, "list the ports")
    adding = port.add("add", _add_port, "add a port that answers as an interface of its protocol")
    adding.add_argument("url", help="such as lon:///dev/ttyACM0")
    adding.add_argument("--name", required=True)
    port.add("remove", _remove_port, "forget a port that has no devices").add_argument("port")

    site = commands.add("site", _site, "show or change the name and the LON domain of the site")
    site.add_argument("--name")
    site.add_argument("--domain", help="hexadecimal, 0, 1, 3 or 6 bytes")
    site.add_argument(
        "--mode",
        choices=[mode.value for mode in Mode],
        help="who manages the networks: this console (dmm) or another tool (imm)",
    )
    site.add_argument("--without", metavar="PROTOCOLS", help="what the site does not have, such as lon; none for all")

    commands.add("status", _status, "worker, ports, license seats and running jobs")

    worker = commands.group("worker", "run the worker in this process", _run_worker)
    worker.add("stop", _stop_worker, "end the worker in order")
    worker.add("status", _worker_status, "whether a worker runs")


def port_as_json(port: Port) -> dict[str, Any]:
    """A port as scripts get it."""
    return {
        "name": port.name,
        "url": port.url,
        "protocol": port.protocol,
        "state": port.state.value,
        "detail": port.detail,
        "devices": port.devices,
    }


async def _list_ports(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        ports = await views.ports(db)
    rows = [(port.name, port.state.value, port.devices, port.url, port.detail) for port in ports]
    session.say(
        table(rows, ("Port", "State", "Devices", "URL", "Detail"), "no ports: 'fieldhand port add' makes one"),
        [port_as_json(port) for port in ports],
    )
    return Exit.DONE


async def _add_port(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.worker() as worker:
        port = await worker.call(AddPort(url=arguments.url, name=arguments.name))
    session.say(f"port {port.name} is {port.state.value}: {port.url}", port_as_json(port))
    return Exit.DONE


async def _remove_port(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.worker() as worker:
        await worker.call(RemovePort(port=arguments.port))
    session.say(f"port {arguments.port} removed", {"port": arguments.port})
    return Exit.DONE


async def _site(arguments: argparse.Namespace, session: Session) -> Exit:
    changes = {name: getattr(arguments, name) for name in ("name", "domain", "mode")}
    if arguments.without is not None:
        without = [protocol.strip().lower() for protocol in arguments.without.split(",")]
        changes["without"] = [protocol for protocol in without if protocol not in ("", "none")]
    if any(value is not None for value in changes.values()):
        async with session.worker() as worker:
            await worker.call(EditSite.model_validate(changes))
    async with session.store() as db:
        site = await views.site(db)
    shown = {
        "name": site.name,
        "domain": site.domain,
        "subnet": site.subnet,
        "node": site.node,
        "mode": site.mode.value,
        "without": list(site.without),
    }
    session.say(fields(shown | {"without": ", ".join(site.without) or "none"}), shown)
    return Exit.DONE


async def _status(arguments: argparse.Namespace, session: Session) -> Exit:
    worker = await _running_worker(session)
    async with session.store() as db:
        ports = await views.ports(db)
        seats = await views.seats(db, time.time())
        jobs = [job for job in await views.jobs(db) if job.state is JobState.RUNNING]
        site = await views.site(db)
    lines = [
        f"{site.name}: " + (f"worker {worker['pid']}, version {worker['version']}" if worker else "no worker runs"),
        f"license  {seats.used} of {seats.capacity} seats used{_waiting(seats)}",
        *(f"port     {port.name} {port.state.value}, {port.devices} devices {port.detail}".rstrip() for port in ports),
        *(f"job      {job.id} {job.title}: {job.ended} of {job.total}, {job.failed} failed" for job in jobs),
    ]
    data = {
        "worker": worker,
        "ports": [port_as_json(port) for port in ports],
        "license": {"capacity": seats.capacity, "used": seats.used, "waiting": seats.waiting},
        "jobs": [job_as_json(job) for job in jobs],
    }
    session.say("\n".join(lines), data)
    return Exit.DONE


def _waiting(seats: Seats) -> str:
    return f", {seats.waiting} devices wait for one" if seats.waiting else ""


async def _running_worker(session: Session) -> dict[str, Any] | None:
    try:
        client = await SocketClient.connect(session.directory)
    except FieldhandError:
        return None
    await client.close()
    return {"pid": client.greeting.pid, "version": client.greeting.version}


def _run_worker(arguments: argparse.Namespace, session: Session) -> Exit:
    from core.engine.__main__ import main  # noqa: PLC0415 - loads the whole engine

    return main(session.directory)


async def _stop_worker(arguments: argparse.Namespace, session: Session) -> Exit:
    client = await SocketClient.connect(session.directory)
    await client.call(StopWorker())
    async for _ in client.notices():
        pass  # until the worker hangs up
    await client.close()
    session.say(f"worker {client.greeting.pid} ended", {"pid": client.greeting.pid})
    return Exit.DONE


async def _worker_status(arguments: argparse.Namespace, session: Session) -> Exit:
    client = await SocketClient.connect(session.directory)
    await client.close()
    greeting = client.greeting
    session.say(
        f"worker {greeting.pid} runs, version {greeting.version}", {"pid": greeting.pid, "version": greeting.version}
    )
    return Exit.DONE
