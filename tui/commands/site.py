"""`fieldhand port …`, `site`, `status`, `worker …`: what the devices hang on, and who works on them."""

from __future__ import annotations

import argparse
import time
from typing import Any

from pydantic import ValidationError

from core.client import SocketClient
from core.errors import Exit, FieldhandError, Kind
from core.models import JobState, Mode, Pausing, Port, PortMonitoring, Seats
from core.rpc import AddPort, EditSite, FindPorts, PortFound, ReadMonitoring, RemovePort, StopWorker, TryPort
from core.store import views
from core.text import printable
from tui.commands.jobs import job_as_json
from tui.commands.monitoring import monitoring_as_json
from tui.commands.parsing import Commands
from tui.commands.session import Session, fields, table


def add(commands: Commands) -> None:
    """Add these commands."""
    port = commands.group("port", "the ports of this gateway")
    port.add("list", _list_ports, "list the ports")
    adding = port.add("add", _add_port, "add a port that answers as an interface of its protocol")
    adding.add_argument("url", help="such as lon:///dev/ttyACM0")
    adding.add_argument("--name", required=True)
    finding = port.add("find", _find_ports, "list where ports may be on this machine, and what answers on one")
    finding.add_argument("--try", dest="path", metavar="PATH", help="open it as one thing after the other")
    port.add("remove", _remove_port, "forget a port that has no devices").add_argument("port")

    site = commands.add("site", _site, "show or change what is said once for the whole site")
    site.add_argument("--name")
    site.add_argument("--domain", help="hexadecimal, 0, 1, 3 or 6 bytes")
    site.add_argument(
        "--mode",
        choices=[mode.value for mode in Mode],
        help="who manages the networks: this console (dmm) or another tool (imm)",
    )
    site.add_argument("--without", metavar="PROTOCOLS", help="what the site does not have, such as lon; none for all")
    site.add_argument(
        "--pausing",
        choices=[choice.value for choice in Pausing],
        help="whether jobs pause monitoring: if the operator agrees, always, or never",
    )
    site.add_argument("--pause-above", metavar="N", help="only where there are more events per second than this")
    site.add_argument("--poll-every", metavar="SECONDS", help="how often each device is polled")

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


async def _find_ports(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.worker() as worker:
        if arguments.path is not None:
            return await _try_port(arguments.path, worker, session)
        found = await worker.call(FindPorts())
    rows = [(port.path, port.what, port.port, port.holder) for port in found]
    empty = "no serial ports on this machine: 'fieldhand port find --try PATH' tries one by its path"
    session.say(
        table(rows, ("Path", "What it is", "Port", "Held by"), empty),
        [port.model_dump(exclude={"urls"}) | {"urls": _urls_as_json(port)} for port in found],
    )
    return Exit.DONE


def _urls_as_json(port: PortFound) -> list[dict[str, str]]:
    return [{"as": label, "url": url} for label, url in port.urls]


async def _try_port(path: str, worker: SocketClient, session: Session) -> Exit:
    """Until something answers; nothing is kept open."""
    (port,) = await worker.call(FindPorts(path=path))
    if port.port:
        raise FieldhandError(Kind.INVALID, what="port", value=path, reason=f"it is there already as {port.port!r}")
    tried = []
    for each in _urls_as_json(port):
        try:
            tried.append(each | {"answers": True, "said": await worker.call(TryPort(url=each["url"]))})
            break
        except FieldhandError as refusal:
            tried.append(each | {"answers": False, "said": str(refusal)})
    answers = any(one["answers"] for one in tried)
    lines = [f"{one['as']}: {one['said']}" for one in tried] or [f"no protocol of this site can be on {path}"]
    if answers:
        lines.append(f"'fieldhand port add {tried[-1]['url']} --name NAME' adds it")
    session.say("\n".join(printable(line) for line in lines), {"path": port.path, "tried": tried})
    return Exit.DONE if answers else Exit.UNAVAILABLE


async def _remove_port(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.worker() as worker:
        await worker.call(RemovePort(port=arguments.port))
    session.say(f"port {arguments.port} removed", {"port": arguments.port})
    return Exit.DONE


async def _site(arguments: argparse.Namespace, session: Session) -> Exit:
    edit = _edit(arguments)
    if edit != EditSite():
        async with session.worker() as worker:
            await worker.call(edit)
    async with session.store() as db:
        site = await views.site(db)
    shown = {
        "name": site.name,
        "domain": site.domain,
        "subnet": site.subnet,
        "node": site.node,
        "mode": site.mode.value,
        "without": list(site.without),
        "pausing": site.pausing.value,
        "pause_above": site.pause_above,
        "poll_every": site.poll_seconds,
    }
    session.say(fields(shown | {"without": ", ".join(site.without) or "none"}), shown)
    return Exit.DONE


def _edit(arguments: argparse.Namespace) -> EditSite:
    """What is to be changed; raises INVALID."""
    without = None
    if arguments.without is not None:
        named = (protocol.strip().lower() for protocol in arguments.without.split(","))
        without = tuple(protocol for protocol in named if protocol not in ("", "none"))
    try:
        return EditSite.model_validate(
            {
                "name": arguments.name,
                "domain": arguments.domain,
                "mode": arguments.mode,
                "without": without,
                "pausing": arguments.pausing,
                "pause_above": arguments.pause_above,
                "poll_seconds": arguments.poll_every,
            }
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = str(first["loc"][0]).replace("_", " ")
        raise FieldhandError(Kind.INVALID, what=what, value=str(first["input"]), reason=first["msg"]) from error


async def _status(arguments: argparse.Namespace, session: Session) -> Exit:
    worker, monitoring = await _running_worker(session)
    async with session.store() as db:
        ports = await views.ports(db)
        seats = await views.seats(db, time.time())
        jobs = [job for job in await views.jobs(db) if job.state is JobState.RUNNING]
        site = await views.site(db)
    lines = [
        f"{site.name}: " + (f"worker {worker['pid']}, version {worker['version']}" if worker else "no worker runs"),
        f"license  {seats.used} of {seats.capacity} seats used{_waiting(seats)}",
        *(f"port     {_in_words(port, monitoring.get(port.name))}" for port in ports),
        *(f"job      {job.id} {job.title}: {job.ended} of {job.total}, {job.failed} failed" for job in jobs),
    ]
    data = {
        "worker": worker,
        "ports": [port_as_json(port) for port in ports],
        "monitoring": [monitoring_as_json(port) for port in monitoring.values()],
        "license": {"capacity": seats.capacity, "used": seats.used, "waiting": seats.waiting},
        "jobs": [job_as_json(job) for job in jobs],
    }
    session.say("\n".join(lines), data)
    return Exit.DONE


def _waiting(seats: Seats) -> str:
    return f", {seats.waiting} devices wait for one" if seats.waiting else ""


def _in_words(port: Port, monitoring: PortMonitoring | None) -> str:
    said = f"{port.name} {port.state.value}, {port.devices} devices"
    if monitoring is not None:
        said += f", {monitoring.events_per_second} events/s"
        said += f", monitoring paused {monitoring.paused}" if monitoring.paused else ""
    return f"{said} {port.detail}".rstrip()


async def _running_worker(session: Session) -> tuple[dict[str, Any] | None, dict[str, PortMonitoring]]:
    """The worker and how busy its ports are; none is started for that."""
    try:
        client = await SocketClient.connect(session.directory)
    except FieldhandError:
        return None, {}
    try:
        monitoring = {port.port: port for port in await client.call(ReadMonitoring())}
    finally:
        await client.close()
    return {"pid": client.greeting.pid, "version": client.greeting.version}, monitoring


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
