"""The answers to requests: one function each, with the request that it answers above it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from core import addressing, licensing, planning, rpc, text
from core.engine import registry
from core.engine.candidates import ports_found
from core.engine.found import described
from core.engine.importing import Import
from core.engine.planner import planned, write_job
from core.errors import FieldhandError, Kind
from core.models import Event, License, Port, PortMonitoring, StoredImage, TaskState
from core.store import inventory, journal, monitoring, views
from core.store.database import Transaction
from core.store.inventory import NewDevice
from drivers.base import Capability, Driver, Found, Priority, Progress, Target

if TYPE_CHECKING:
    from core.engine.engine import Engine


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. A viewer may look; what an operator does carries the name in the journal."""

    name: str
    role: Literal["operator", "viewer"] = "operator"


Handler = Callable[["Engine", Any, Caller], Awaitable[Any]]
HANDLERS: Final[dict[type[rpc.Request[Any]], Handler]] = {}
"""What answers each request."""

H = TypeVar("H", bound=Handler)


def _answers(request: type[rpc.Request[Any]]) -> Callable[[H], H]:
    """The function below is what answers this request."""

    def register(handler: H) -> H:
        HANDLERS[request] = handler
        return handler

    return register


# ---- the worker


@_answers(rpc.Hello)
async def _hello(engine: Engine, request: rpc.Hello, caller: Caller) -> rpc.Greeting:
    return rpc.Greeting(
        version=version("fieldhand"),
        protocol=rpc.PROTOCOL_VERSION,
        pid=os.getpid(),
        operator=caller.name,
        role=caller.role,
        capabilities=registry.capabilities(),
        other_tools=registry.other_tools(),
    )


@_answers(rpc.StopWorker)
async def _stop(engine: Engine, request: rpc.StopWorker, caller: Caller) -> None:
    engine.end()


@_answers(rpc.EditSite)
async def _edit_site(engine: Engine, request: rpc.EditSite, caller: Caller) -> None:
    changes = {name: value for name, value in request if value is not None}
    if request.name is not None:
        changes["name"] = text.name("site", request.name)
    if request.domain is not None:
        changes["domain"] = addressing.domain(request.domain).hex().upper()
    for protocol in request.without or ():
        registry.driver(protocol)
    await engine.writer.run(lambda tx: inventory.edit_site(tx, lambda site: replace(site, **changes)))
    if request.domain is not None:
        await engine.load_site()


# ---- plans and jobs


@_answers(rpc.MakePlan)
async def _plan(engine: Engine, request: rpc.MakePlan, caller: Caller) -> planning.Plan:
    return await engine.writer.run(lambda tx: planned(engine, tx, request))


@_answers(rpc.StartJob)
async def _start_job(engine: Engine, request: rpc.StartJob, caller: Caller) -> int:
    job, plan = await engine.writer.run(lambda tx: write_job(engine, tx, request, caller.name))
    if request.grace:
        engine.scheduled.set()
    for port in plan.ports:
        engine.ports[port].jobs.wake()
    return job


@_answers(rpc.CancelJob)
async def _cancel_job(engine: Engine, request: rpc.CancelJob, caller: Caller) -> None:
    await engine.writer.run(lambda tx: journal.cancel_job(tx, request.job))
    for port in engine.ports.values():
        port.jobs.cancel(request.job)


@_answers(rpc.RetryJob)
async def _retry_job(engine: Engine, request: rpc.RetryJob, caller: Caller) -> int:
    job = await engine.read(lambda db: views.job(db, request.job))
    tasks = await engine.read(lambda db: views.tasks(db, request.job))
    there = {device.id for device in await engine.read(views.devices)}
    failed = (task.device for task in tasks if task.state in (TaskState.FAILED, TaskState.CANCELLED))
    again = tuple(device for device in failed if device in there)
    if not again:
        raise FieldhandError(Kind.NOTHING_ELIGIBLE, action="retry", reason=f"no device of job {job.id} failed")
    start = rpc.StartJob(
        action=job.action,
        selection=rpc.Selection(devices=again),
        parameters=dict(job.parameters),
        grace=request.grace,
    )
    return await _start_job(engine, start, caller)


# ---- ports and searching


@_answers(rpc.AddPort)
async def _add_port(engine: Engine, request: rpc.AddPort, caller: Caller) -> Port:
    protocol = registry.driver_of_url(request.url).protocol
    if protocol in (await engine.read(views.site)).without:
        reason = f"the site is said to have no {protocol}: 'fieldhand site --without' changes that"
        raise FieldhandError(Kind.NOT_ALLOWED, reason=reason)
    return await engine.open_port(text.name("port", request.name), request.url)


@_answers(rpc.FindPorts)
async def _find_ports(engine: Engine, request: rpc.FindPorts, caller: Caller) -> tuple[rpc.PortFound, ...]:
    site, ports = await engine.read(views.site), await engine.read(views.ports)
    return await ports_found(site, ports, request.path)


@_answers(rpc.TryPort)
async def _try_port(engine: Engine, request: rpc.TryPort, caller: Caller) -> str:
    return await engine.try_port(request.url)


@_answers(rpc.RemovePort)
async def _remove_port(engine: Engine, request: rpc.RemovePort, caller: Caller) -> None:
    await engine.close_port(request.port)


@_answers(rpc.Discover)
async def _discover(engine: Engine, request: rpc.Discover, caller: Caller) -> tuple[rpc.FoundDevice, ...]:
    port = await engine.read(lambda db: views.port(db, request.port))
    driver = _open_driver(engine, port)
    found: dict[str, Found] = {}
    async with aclosing(driver.discover()) as search:
        async for event in search:
            doing = event.unit if isinstance(event, Progress) else "identifying"
            if isinstance(event, Found):
                found[event.uid] = event
            engine.tell(rpc.Searching(port=request.port, found=len(found), doing=doing))

    async def take_over(tx: Transaction) -> tuple[rpc.FoundDevice, ...]:
        await inventory.observe_known(tx, list(found.values()))
        return await described(tx.db, list(found.values()))

    return await engine.writer.run(take_over)


def _open_driver(engine: Engine, port: Port) -> Driver:
    registry.driver(port.protocol)
    keeper = engine.ports[port.name].keeper
    if keeper.driver is None:
        if keeper.problem is not None:
            raise keeper.problem.again()
        raise FieldhandError(Kind.PORT_ABSENT, port=port.name, reason="it is being opened")
    return keeper.driver


@_answers(rpc.IdentifyUnit)
async def _identify_unit(engine: Engine, request: rpc.IdentifyUnit, caller: Caller) -> rpc.FoundDevice:
    port = await engine.read(lambda db: views.port(db, request.port))
    driver = _open_driver(engine, port)
    found = await driver.identify(driver.parse_uid(request.uid))
    return (await engine.read(lambda db: described(db, [found])))[0]


@_answers(rpc.WinkUnit)
async def _wink_unit(engine: Engine, request: rpc.WinkUnit, caller: Caller) -> None:
    port = await engine.read(lambda db: views.port(db, request.port))
    driver = _open_driver(engine, port)
    target = Target(driver.parse_uid(request.uid))
    async with aclosing(driver.perform(Capability.WINK, target, {}, Priority.INTERACTIVE)) as steps:
        async for _ in steps:
            pass


@_answers(rpc.Adopt)
async def _adopt(engine: Engine, request: rpc.Adopt, caller: Caller) -> tuple[int, ...]:
    async def adopt(tx: Transaction) -> tuple[int, ...]:
        port = await views.port(tx.db, request.port)
        kind = registry.driver(port.protocol)
        uids = [kind.parse_uid(device.found.uid) for device in request.devices]
        found = {uid: replace(device.found, uid=uid) for uid, device in zip(uids, request.devices, strict=True)}
        new = [
            NewDevice(
                name=text.name("device", device.name),
                uid=device.found.uid,
                protocol=port.protocol,
                port=port.id,
                found=device.found,
            )
            for device in await described(tx.db, list(found.values()))
            if not device.known
        ]
        return await inventory.add_devices(tx, new)

    return await engine.writer.run(adopt)


# ---- monitoring


@_answers(rpc.PauseMonitoring)
async def _pause_monitoring(engine: Engine, request: rpc.PauseMonitoring, caller: Caller) -> None:
    await engine.writer.run(lambda tx: monitoring.pause(tx, request.port, request.paused))


@_answers(rpc.ReadMonitoring)
async def _read_monitoring(engine: Engine, request: rpc.ReadMonitoring, caller: Caller) -> tuple[PortMonitoring, ...]:
    return engine.monitoring.measured(await engine.read(views.ports))


@_answers(rpc.ReadEvents)
async def _read_events(engine: Engine, request: rpc.ReadEvents, caller: Caller) -> tuple[Event, ...]:
    return engine.monitoring.events.after(request.since, request.limit)


# ---- devices and groups


@_answers(rpc.AddDevice)
async def _add_device(engine: Engine, request: rpc.AddDevice, caller: Caller) -> int:
    async def add(tx: Transaction) -> int:
        port = await views.port(tx.db, request.port)
        new = NewDevice(
            name=text.name("device", request.name),
            uid=registry.driver(port.protocol).parse_uid(request.uid) if request.uid else None,
            protocol=port.protocol,
            port=port.id,
            group=None if request.group is None else await views.group_id(tx.db, request.group),
            program_id=request.program_id,
            type=text.printable(request.type),
            location=text.printable(request.location),
        )
        return (await inventory.add_devices(tx, [new]))[0]

    return await engine.writer.run(add)


@_answers(rpc.EditDevice)
async def _edit_device(engine: Engine, request: rpc.EditDevice, caller: Caller) -> None:
    async def edit(tx: Transaction) -> None:
        device = (await views.devices_by_id(tx.db, [request.device]))[0]
        kind = registry.driver(device.protocol)
        port = None if request.port is None else await views.port(tx.db, request.port)
        if port is not None and port.protocol != device.protocol:
            reason = f"it is {port.protocol}, the device is {device.protocol}"
            raise FieldhandError(Kind.INVALID, what="port", value=port.name, reason=reason)
        changes = inventory.DeviceChanges(
            name=None if request.name is None else text.name("device", request.name),
            uid=kind.parse_uid(request.uid) if request.uid else request.uid,
            port=None if port is None else port.id,
            program_id=request.program_id,
            type=None if request.type is None else text.printable(request.type),
            location=None if request.location is None else text.printable(request.location),
            points=None if request.points is None else tuple(map(kind.check_point, request.points)),
        )
        await inventory.edit_device(tx, request.device, changes)

    await engine.writer.run(edit)


@_answers(rpc.ImportDevices)
async def _import(engine: Engine, request: rpc.ImportDevices, caller: Caller) -> rpc.ImportReport:
    async def take_over(tx: Transaction) -> tuple[Import, tuple[int, ...], int]:
        wanted = await Import.prepare(tx, request.text, request.port)
        seats = await views.seats(tx.db, tx.now)
        short = max(0, len(wanted.new) - max(0, seats.free - seats.waiting))
        made = () if request.dry_run or wanted.problems else await wanted.make(tx)
        return wanted, made, short

    wanted, made, short = await engine.writer.run(take_over)
    job = None
    ready = tuple(device for device, (new, _) in zip(made, wanted.new, strict=False) if new.uid)
    if ready and request.provision:
        start = rpc.StartJob(
            action="provision", selection=rpc.Selection(devices=ready), await_seats=True, grace=request.grace
        )
        job = await _start_job(engine, start, caller)
        engine.relicensed.set()
    return rpc.ImportReport(
        rows=len(wanted.new) + len(wanted.known),
        added=tuple(device.name for device, _ in wanted.new),
        known=tuple(wanted.known),
        groups=tuple(wanted.new_groups),
        problems=tuple(wanted.problems),
        seats_short=short,
        job=job,
    )


@_answers(rpc.AddType)
async def _add_type(engine: Engine, request: rpc.AddType, caller: Caller) -> str:
    name = registry.driver(request.protocol).read_type(request.text)
    await engine.writer.run(lambda tx: inventory.add_type(tx, request.protocol, name, request.text, caller.name))
    await engine.load_site(request.protocol)
    return name


@_answers(rpc.StopIgnoring)
async def _stop_ignoring(engine: Engine, request: rpc.StopIgnoring, caller: Caller) -> None:
    known = await engine.read(views.ignored)
    uids = {request.uid}
    for device in known:
        with suppress(FieldhandError):  # it is no UID of that protocol
            uids.add(registry.driver(device.protocol).parse_uid(request.uid))
    uid = next((device.uid for device in known if device.uid in uids), request.uid)
    await engine.writer.run(lambda tx: inventory.stop_ignoring(tx, uid))


@_answers(rpc.Acknowledge)
async def _acknowledge(engine: Engine, request: rpc.Acknowledge, caller: Caller) -> None:
    await engine.writer.run(lambda tx: inventory.acknowledge(tx, request.devices))


@_answers(rpc.AddGroup)
async def _add_group(engine: Engine, request: rpc.AddGroup, caller: Caller) -> None:
    name = text.name("group", request.name)
    await engine.writer.run(lambda tx: inventory.add_group(tx, name))


@_answers(rpc.RenameGroup)
async def _rename_group(engine: Engine, request: rpc.RenameGroup, caller: Caller) -> None:
    name = text.name("group", request.name)
    await engine.writer.run(lambda tx: inventory.rename_group(tx, request.group, name))


@_answers(rpc.RemoveGroup)
async def _remove_group(engine: Engine, request: rpc.RemoveGroup, caller: Caller) -> None:
    await engine.writer.run(lambda tx: inventory.remove_group(tx, request.group))


@_answers(rpc.AssignGroup)
async def _assign_group(engine: Engine, request: rpc.AssignGroup, caller: Caller) -> None:
    await engine.writer.run(lambda tx: inventory.assign_group(tx, request.devices, request.group))


# ---- images


@_answers(rpc.AddImage)
async def _add_image(engine: Engine, request: rpc.AddImage, caller: Caller) -> StoredImage:
    return await engine.images.add(request.name, request.data, caller.name)


@_answers(rpc.RemoveImage)
async def _remove_image(engine: Engine, request: rpc.RemoveImage, caller: Caller) -> None:
    await engine.images.remove(request.image)


# ---- licenses


@_answers(rpc.TrustKey)
async def _trust_key(engine: Engine, request: rpc.TrustKey, caller: Caller) -> str:
    key_id = licensing.key_id(licensing.load_public_key(request.key))
    await engine.writer.run(lambda tx: inventory.trust_key(tx, key_id, request.key, caller.name))
    return key_id


@_answers(rpc.AddLicense)
async def _add_license(engine: Engine, request: rpc.AddLicense, caller: Caller) -> License:
    key_id = licensing.named_key(request.text)
    pem = await engine.writer.run(lambda tx: inventory.trusted_key(tx, key_id))
    site = await engine.read(views.site)
    terms = licensing.verify(request.text, licensing.load_public_key(pem), site.name, datetime.now(UTC))
    await engine.writer.run(lambda tx: inventory.add_license(tx, terms, key_id, caller.name))
    engine.relicensed.set()
    licenses = await engine.read(views.licenses)
    return next(known for known in licenses if known.id == terms.id)
