"""The answers to requests: one function each, and the table that says which."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from pydantic import TypeAdapter, ValidationError

from core import addressing, licensing, lifecycle, planning, rpc, text
from core.actions import BY_NAME, Action, AddressUse
from core.engine import registry
from core.engine.candidates import ports_found
from core.engine.found import described
from core.engine.importing import Import
from core.errors import FieldhandError, Kind
from core.models import Device, Event, License, Mode, Port, PortMonitoring, StoredImage, TaskState
from core.store import inventory, journal, monitoring, views
from core.store.database import Transaction
from core.store.inventory import NewDevice
from core.store.journal import AddressSource
from drivers.base import Capability, Driver, Estimate, Found, ImageFacts, Priority, Progress, Target

if TYPE_CHECKING:
    from core.engine.engine import Engine


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. A viewer may look; what an operator does carries the name in the journal."""

    name: str
    role: Literal["operator", "viewer"] = "operator"


# ---- the worker


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


async def _stop(engine: Engine, request: rpc.StopWorker, caller: Caller) -> None:
    engine.end()


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


async def _plan(engine: Engine, request: rpc.MakePlan, caller: Caller) -> planning.Plan:
    return await engine.writer.run(lambda tx: _planned(engine, tx, request))


async def _planned(engine: Engine, tx: Transaction, request: rpc.MakePlan | rpc.StartJob) -> planning.Plan:
    action = _action(request.action)
    if request.selection.scope not in action.scopes:
        reason = f"{action.name} is for one device at a time"
        raise FieldhandError(Kind.INVALID, what="selection", value=request.selection.scope.value, reason=reason)
    devices, subject = await _selected(tx, request.selection)
    parameters = await _resolved(tx, action, _parameters(action, request.parameters), devices)
    replaced = devices[0] if devices and action.capability is Capability.REPLACE else None
    if isinstance(request, rpc.StartJob) and request.await_seats:
        action = replace(action, needs_seat=False)
    site = await views.site(tx.db)
    closed = {name: str(problem) for name, problem in engine.problems().items()}
    conditions = planning.Conditions(
        circumstances=lifecycle.circumstances(site, registry.capabilities(), registry.other_tools(), closed),
        estimate=partial(_estimate, action, {port.name: port for port in await views.ports(tx.db)}),
        seats=await views.seats(tx.db, tx.now),
        images={image.sha256: image for image in await views.images(tx.db)},
        by_hand=_by_hand(engine, replaced) if replaced else (),
        snapshots=await views.snapshot_times(tx.db, [replaced.id] if replaced else []),
        now=tx.now,
        found_again=registry.other_tools() if site.mode is Mode.DMM else frozenset(),
        events_per_second={name: engine.monitoring.expected(name) for name in engine.ports},
        pausing=site.pausing,
        pause_above=site.pause_above,
    )
    return planning.plan(action, devices, parameters, conditions, request.selection.scope, subject)


def _by_hand(engine: Engine, device: Device) -> tuple[str, ...]:
    return registry.driver(device.protocol).by_hand(device.program_id, engine.settings(device.protocol))


def _estimate(action: Action, ports: Mapping[str, Port], device: Device, image: StoredImage | None) -> Estimate:
    facts = (
        None if image is None else ImageFacts(image.type, image.program_id, image.model, image.firmware, image.opaque)
    )
    url = ports[device.port or ""].url
    return registry.driver(device.protocol).estimate(action.capability, url, facts, 0 if image is None else image.size)


async def _start_job(engine: Engine, request: rpc.StartJob, caller: Caller) -> int:
    # planned and written down in one: nobody else can take a device in between
    job, plan = await engine.writer.run(lambda tx: _write_job(engine, tx, request, caller))
    if request.grace:
        engine.scheduled.set()
    for port in plan.ports:
        engine.ports[port].jobs.wake()
    return job


async def _write_job(
    engine: Engine, tx: Transaction, request: rpc.StartJob, caller: Caller
) -> tuple[int, planning.Plan]:
    action = _action(request.action)
    plan = await _planned(engine, tx, request)
    if request.agreed is not None:
        agreed = frozenset(request.agreed)
        plan = replace(plan, devices=tuple(planned for planned in plan.devices if planned.device in agreed))
    if not plan.devices:
        _refuse(engine, action, plan)
    interactive = action.interactive and len(plan.devices) == 1
    sources = {
        protocol: AddressSource(partial(kind.addresses, engine.site), kind.address_scope)
        for protocol, kind in registry.drivers().items()
        if action.address is AddressUse.ASSIGN
    }
    priority = Priority.INTERACTIVE if interactive else Priority.JOB
    pauses = _pauses(plan, request.pause)
    job = await journal.start_job(
        tx,
        plan,
        caller.name,
        priority,
        sources,
        pauses=pauses,
        awaits_seats=request.await_seats,
        grace=request.grace,
    )
    return job, plan


def _pauses(plan: planning.Plan, wanted: bool | None) -> bool:
    """Whether a job pauses monitoring: as the operator wants it, else as its plan proposes."""
    if plan.monitoring is not None:
        return plan.monitoring.pauses if wanted is None else wanted
    if wanted:
        raise FieldhandError(Kind.INVALID, what="pause", value="yes", reason=f"{plan.action} never pauses monitoring")
    return False


def _refuse(engine: Engine, action: Action, plan: planning.Plan) -> NoReturn:
    """Nothing is eligible: because a port is not open, or for what the devices are."""
    problems = {str(problem): problem for problem in engine.problems().values()}
    reasons = plan.reasons
    if reasons and all(reason in problems for reason, _ in reasons):
        raise problems[reasons[0][0]]
    said = ", ".join(f"{count} {reason}" for reason, count in reasons) or "there are no devices"
    raise FieldhandError(Kind.NOTHING_ELIGIBLE, action=action.name, reason=said)


async def _cancel_job(engine: Engine, request: rpc.CancelJob, caller: Caller) -> None:
    await engine.writer.run(lambda tx: journal.cancel_job(tx, request.job))
    for port in engine.ports.values():
        port.jobs.cancel(request.job)


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


def _action(name: str) -> Action:
    try:
        return BY_NAME[name]
    except KeyError:
        raise FieldhandError(Kind.INVALID, what="action", value=name, reason=f"there is {', '.join(BY_NAME)}") from None


def _parameters(action: Action, given: Mapping[str, Any]) -> Mapping[str, Any]:
    known = [parameter.name for parameter in fields(action.parameters)]
    for name, value in given.items():
        if name not in known:
            reason = f"{action.name} takes {', '.join(known) or 'no parameters'}"
            raise FieldhandError(Kind.INVALID, what=f"parameter {name!r}", value=str(value), reason=reason)
    try:
        return asdict(TypeAdapter(action.parameters).validate_python(dict(given)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise FieldhandError(
            Kind.INVALID,
            what=".".join(str(part) for part in first["loc"]) or "parameter",
            value=str(first["input"]),
            reason=first["msg"],
        ) from error


async def _resolved(
    tx: Transaction, action: Action, parameters: Mapping[str, Any], devices: list[Device]
) -> Mapping[str, Any]:
    """The parameters with what they name: an image by its hash, a new unit by a UID that nobody else has."""
    if "image" in parameters:
        return {**parameters, "image": (await views.image(tx.db, parameters["image"])).sha256}
    if not devices or action.capability is not Capability.REPLACE:
        return parameters
    uid = registry.driver(devices[0].protocol).parse_uid(parameters["uid"])
    if uid == devices[0].uid:
        reason = f"it is the unit that {devices[0].name!r} has now"
        raise FieldhandError(Kind.INVALID, what="UID", value=uid, reason=reason)
    await inventory.uid_is_free(tx, uid)
    return {**parameters, "uid": uid}


async def _selected(tx: Transaction, selection: rpc.Selection) -> tuple[list[Device], str]:
    if selection.group is not None:
        return await views.devices_of_group(tx.db, selection.group), f"group {selection.group}"
    if selection.devices is None:
        return await views.devices(tx.db), ""
    devices = await views.devices_by_id(tx.db, selection.devices)
    return devices, devices[0].name if len(devices) == 1 else ""


# ---- ports and searching


async def _add_port(engine: Engine, request: rpc.AddPort, caller: Caller) -> Port:
    protocol = registry.driver_of_url(request.url).protocol
    if protocol in (await engine.read(views.site)).without:
        reason = f"the site is said to have no {protocol}: 'fieldhand site --without' changes that"
        raise FieldhandError(Kind.NOT_ALLOWED, reason=reason)
    return await engine.open_port(text.name("port", request.name), request.url)


async def _find_ports(engine: Engine, request: rpc.FindPorts, caller: Caller) -> tuple[rpc.PortFound, ...]:
    site, ports = await engine.read(views.site), await engine.read(views.ports)
    return await ports_found(site, ports, request.path)


async def _try_port(engine: Engine, request: rpc.TryPort, caller: Caller) -> str:
    return await engine.try_port(request.url)


async def _remove_port(engine: Engine, request: rpc.RemovePort, caller: Caller) -> None:
    await engine.close_port(request.port)


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
        raise keeper.problem or FieldhandError(Kind.PORT_ABSENT, port=port.name, reason="it is being opened")
    return keeper.driver


async def _identify_unit(engine: Engine, request: rpc.IdentifyUnit, caller: Caller) -> rpc.FoundDevice:
    port = await engine.read(lambda db: views.port(db, request.port))
    driver = _open_driver(engine, port)
    found = await driver.identify(driver.parse_uid(request.uid))
    return (await engine.read(lambda db: described(db, [found])))[0]


async def _wink_unit(engine: Engine, request: rpc.WinkUnit, caller: Caller) -> None:
    port = await engine.read(lambda db: views.port(db, request.port))
    driver = _open_driver(engine, port)
    target = Target(driver.parse_uid(request.uid))
    async with aclosing(driver.perform(Capability.WINK, target, {}, Priority.INTERACTIVE)) as steps:
        async for _ in steps:
            pass


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


async def _pause_monitoring(engine: Engine, request: rpc.PauseMonitoring, caller: Caller) -> None:
    await engine.writer.run(lambda tx: monitoring.pause(tx, request.port, request.paused))


async def _read_monitoring(engine: Engine, request: rpc.ReadMonitoring, caller: Caller) -> tuple[PortMonitoring, ...]:
    return engine.monitoring.measured(await engine.read(views.ports))


async def _read_events(engine: Engine, request: rpc.ReadEvents, caller: Caller) -> tuple[Event, ...]:
    return engine.monitoring.events.after(request.since, request.limit)


# ---- devices and groups


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


async def _add_type(engine: Engine, request: rpc.AddType, caller: Caller) -> str:
    name = registry.driver(request.protocol).read_type(request.text)
    await engine.writer.run(lambda tx: inventory.add_type(tx, request.protocol, name, request.text, caller.name))
    await engine.load_site(request.protocol)
    return name


async def _stop_ignoring(engine: Engine, request: rpc.StopIgnoring, caller: Caller) -> None:
    known = await engine.read(views.ignored)
    uids = {request.uid}
    for device in known:
        with suppress(FieldhandError):  # it is no UID of that protocol
            uids.add(registry.driver(device.protocol).parse_uid(request.uid))
    uid = next((device.uid for device in known if device.uid in uids), request.uid)
    await engine.writer.run(lambda tx: inventory.stop_ignoring(tx, uid))


async def _acknowledge(engine: Engine, request: rpc.Acknowledge, caller: Caller) -> None:
    await engine.writer.run(lambda tx: inventory.acknowledge(tx, request.devices))


async def _add_group(engine: Engine, request: rpc.AddGroup, caller: Caller) -> None:
    name = text.name("group", request.name)
    await engine.writer.run(lambda tx: inventory.add_group(tx, name))


async def _rename_group(engine: Engine, request: rpc.RenameGroup, caller: Caller) -> None:
    name = text.name("group", request.name)
    await engine.writer.run(lambda tx: inventory.rename_group(tx, request.group, name))


async def _remove_group(engine: Engine, request: rpc.RemoveGroup, caller: Caller) -> None:
    await engine.writer.run(lambda tx: inventory.remove_group(tx, request.group))


async def _assign_group(engine: Engine, request: rpc.AssignGroup, caller: Caller) -> None:
    await engine.writer.run(lambda tx: inventory.assign_group(tx, request.devices, request.group))


# ---- images


async def _add_image(engine: Engine, request: rpc.AddImage, caller: Caller) -> StoredImage:
    return await engine.images.add(request.name, request.data, caller.name)


async def _remove_image(engine: Engine, request: rpc.RemoveImage, caller: Caller) -> None:
    await engine.images.remove(request.image)


# ---- licenses


async def _trust_key(engine: Engine, request: rpc.TrustKey, caller: Caller) -> str:
    key_id = licensing.key_id(licensing.load_public_key(request.key))
    await engine.writer.run(lambda tx: inventory.trust_key(tx, key_id, request.key, caller.name))
    return key_id


async def _add_license(engine: Engine, request: rpc.AddLicense, caller: Caller) -> License:
    key_id = licensing.named_key(request.text)
    pem = await engine.writer.run(lambda tx: inventory.trusted_key(tx, key_id))
    site = await engine.read(views.site)
    terms = licensing.verify(request.text, licensing.load_public_key(pem), site.name, datetime.now(UTC))
    await engine.writer.run(lambda tx: inventory.add_license(tx, terms, key_id, caller.name))
    engine.relicensed.set()
    licenses = await engine.read(views.licenses)
    return next(known for known in licenses if known.id == terms.id)


Handler = Callable[["Engine", Any, Caller], Awaitable[Any]]

HANDLERS: Final[Mapping[type[rpc.Request[Any]], Handler]] = {
    rpc.Hello: _hello,
    rpc.StopWorker: _stop,
    rpc.EditSite: _edit_site,
    rpc.MakePlan: _plan,
    rpc.StartJob: _start_job,
    rpc.CancelJob: _cancel_job,
    rpc.RetryJob: _retry_job,
    rpc.AddPort: _add_port,
    rpc.FindPorts: _find_ports,
    rpc.TryPort: _try_port,
    rpc.RemovePort: _remove_port,
    rpc.PauseMonitoring: _pause_monitoring,
    rpc.ReadMonitoring: _read_monitoring,
    rpc.ReadEvents: _read_events,
    rpc.Discover: _discover,
    rpc.Adopt: _adopt,
    rpc.IdentifyUnit: _identify_unit,
    rpc.WinkUnit: _wink_unit,
    rpc.AddDevice: _add_device,
    rpc.EditDevice: _edit_device,
    rpc.ImportDevices: _import,
    rpc.AddType: _add_type,
    rpc.StopIgnoring: _stop_ignoring,
    rpc.Acknowledge: _acknowledge,
    rpc.AddGroup: _add_group,
    rpc.RenameGroup: _rename_group,
    rpc.RemoveGroup: _remove_group,
    rpc.AssignGroup: _assign_group,
    rpc.AddImage: _add_image,
    rpc.RemoveImage: _remove_image,
    rpc.TrustKey: _trust_key,
    rpc.AddLicense: _add_license,
}
