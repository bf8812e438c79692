"""Requests for plans and jobs: which devices, with what parameters, under which conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pydantic import TypeAdapter, ValidationError

from core import lifecycle, planning, rpc
from core.actions import BY_NAME, Action, AddressUse
from core.engine import registry
from core.errors import FieldhandError, Kind
from core.models import Device, Mode, Port, StoredImage
from core.store import inventory, journal, views
from core.store.database import Transaction
from core.store.journal import AddressSource
from drivers.base import Capability, Estimate, ImageFacts, Priority

if TYPE_CHECKING:
    from core.engine.engine import Engine

_WRITES_BACK: Final = frozenset({Capability.REPLACE, Capability.RESTORE})
"""What needs to know when the configuration of a device was saved."""


async def planned(engine: Engine, tx: Transaction, request: rpc.MakePlan | rpc.StartJob) -> planning.Plan:
    """What the request means for the devices as they are now; raises INVALID and UNKNOWN_…"""
    action = _action(request.action)
    if request.selection.scope not in action.scopes:
        reason = f"{action.name} is for one device at a time"
        raise FieldhandError(Kind.INVALID, what="selection", value=request.selection.scope.value, reason=reason)
    devices, subject = await _selected(tx, request.selection)
    parameters = await _resolved(tx, action, _parameters(action, request.parameters), devices)
    replaced = devices[0] if devices and action.capability is Capability.REPLACE else None
    written_back = [device.id for device in devices if action.capability in _WRITES_BACK]
    if isinstance(request, rpc.StartJob) and request.await_seats:
        action = replace(action, needs_seat=False)
    site = await views.site(tx.db)
    closed = {name: str(problem) for name, problem in engine.problems().items()}
    conditions = planning.Conditions(
        circumstances=lifecycle.circumstances(site, registry.capabilities(), registry.other_tools(), closed),
        estimate=_estimates(action, await views.ports(tx.db)),
        seats=await views.seats(tx.db, tx.now),
        images={image.sha256: image for image in await views.images(tx.db)},
        by_hand=_by_hand(engine, replaced) if replaced else (),
        snapshots=await views.snapshot_times(tx.db, written_back),
        now=tx.now,
        found_again=registry.other_tools() if site.mode is Mode.DMM else frozenset(),
        events_per_second={name: engine.monitoring.expected(name) for name in engine.ports},
        pausing=site.pausing,
        pause_above=site.pause_above,
    )
    return planning.plan(action, devices, parameters, conditions, request.selection.scope, subject)


async def write_job(engine: Engine, tx: Transaction, request: rpc.StartJob, operator: str) -> tuple[int, planning.Plan]:
    """Plan it and write it down in one: nobody else can take a device in between. Raises NOTHING_ELIGIBLE."""
    action = _action(request.action)
    plan = await planned(engine, tx, request)
    if request.agreed is not None:
        agreed = frozenset(request.agreed)
        plan = replace(plan, devices=tuple(one for one in plan.devices if one.device in agreed))
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
        operator,
        priority,
        sources,
        pauses=pauses,
        awaits_seats=request.await_seats,
        grace=request.grace,
    )
    return job, plan


def _by_hand(engine: Engine, device: Device) -> tuple[str, ...]:
    return registry.driver(device.protocol).by_hand(device.program_id, engine.settings(device.protocol))


def _estimates(action: Action, ports: Iterable[Port]) -> Callable[[Device, StoredImage | None], Estimate]:
    """How long the action takes on the port of a device: asked once for each port, of which there are few."""
    by_name = {port.name: port for port in ports}

    @cache
    def on(port: Port, image: StoredImage | None) -> Estimate:
        driver = registry.driver(port.protocol)
        if image is None:
            return driver.estimate(action.capability, port.url)
        facts = ImageFacts(image.type, image.program_id, image.model, image.firmware, image.opaque)
        return driver.estimate(action.capability, port.url, facts, image.size)

    return lambda device, image: on(by_name[device.port or ""], image)


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
        raise problems[reasons[0][0]].again()
    said = ", ".join(f"{count} {reason}" for reason, count in reasons) or "there are no devices"
    raise FieldhandError(Kind.NOTHING_ELIGIBLE, action=action.name, reason=said)


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
