"""A site for the console's tests: a store filled by hand, and an engine that plans for real and works on command."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import aiosqlite

from core.actions import BY_NAME, Action
from core.errors import FieldhandError, Kind
from core.lifecycle import circumstances
from core.models import Device, Event, License, Port, PortMonitoring, PortState, StoredImage, TaskState
from core.planning import Conditions, Plan, plan
from core.rpc import (
    Acknowledge,
    AddDevice,
    AddGroup,
    AddImage,
    AddLicense,
    AddPort,
    Adopt,
    AnyNotice,
    AssignGroup,
    CancelJob,
    Discover,
    EditDevice,
    FindPorts,
    FoundDevice,
    Greeting,
    IdentifyUnit,
    ImportDevices,
    ImportReport,
    MakePlan,
    Measured,
    PauseMonitoring,
    PortFound,
    ReadEvents,
    ReadMonitoring,
    RemoveGroup,
    RemoveImage,
    RemovePort,
    RenameGroup,
    Request,
    RetryJob,
    Selection,
    StartJob,
    StopIgnoring,
    StoreChanged,
    TrustKey,
    TryPort,
    WinkUnit,
)
from core.store import views
from core.store.checkpoints import StoredCheckpoint
from core.store.database import Transaction, Writer, open_reader, open_writer
from drivers.base import Capability, Estimate, NetworkState
from tui.clock import Clock

R = TypeVar("R")
NOW = 1_800_000_000.0
CAPABILITIES = {"lon": frozenset(Capability)}

CUT_OFF = "fan.apb"
"""The image whose load is cut off where one is."""
BY_ITSELF = (ReadMonitoring, ReadEvents)
"""What the console asks without anybody at the keyboard; not among the calls."""


class StillClock(Clock):
    """Stands still until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def pass_(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Spec:
    """A device as a test describes it."""

    name: str
    uid: str | None = None
    group: str | None = None
    state: str = "unprovisioned"
    ours: bool = True
    application: bool = True
    health: str = "normal"
    licensed: bool = True
    marginal: str = ""
    address: str | None = None
    seen: float | None = 3.0
    failure: str | None = None
    port: str = "FT-1"
    type: str = ""
    location: str = ""
    points: tuple[str, ...] = ()
    interrupted: int | None = None
    program_id: str = "9FFFFF0501840450"


def ok(name: str, address: str, **more: Any) -> Spec:
    return Spec(name, state="provisioned", address=address, **more)


@dataclass
class FakeEngine:
    """Answers as the engine would; jobs do nothing until `finish` is called."""

    store: Path
    writer: Writer
    greeting: Greeting = field(
        default_factory=lambda: Greeting(
            version="test", protocol=1, pid=1, operator="ada", role="operator", capabilities=CAPABILITIES
        )
    )
    calls: list[Request[Any]] = field(default_factory=list)
    found: tuple[FoundDevice, ...] = ()
    places: tuple[PortFound, ...] = ()
    """Where ports may be."""
    silent: set[str] = field(default_factory=set)
    """The URLs at which nothing answers."""
    errors: dict[type[Request[Any]], FieldhandError] = field(default_factory=dict)
    adjust: Callable[[Plan], Plan] = field(default=lambda plan: plan)
    """What the engine's rules would make of a plan beyond what `core.planning` knows."""
    monitoring: tuple[PortMonitoring, ...] = (PortMonitoring("FT-1", 12.4, ""),)
    events: list[Event] = field(default_factory=list)
    units: dict[str, FoundDevice] = field(default_factory=dict)
    report: ImportReport = field(default_factory=lambda: report(rows=0))
    search_may_end: asyncio.Event = field(default_factory=asyncio.Event)
    _held: set[type[Request[Any]]] = field(default_factory=set)
    _may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    _inboxes: list[asyncio.Queue[Any]] = field(default_factory=list)

    @classmethod
    async def start(cls, folder: Path) -> FakeEngine:
        store = folder / "fieldhand.sqlite"
        engine: list[FakeEngine] = []
        writer = await open_writer(store, lambda rev: engine[0].tell(StoreChanged(rev=rev)))
        engine.append(cls(store, writer))
        engine[0].search_may_end.set()
        await engine[0].change("UPDATE site SET name = 'plant-3'")
        return engine[0]

    # the EngineClient

    async def call(self, request: Request[R]) -> R:
        if not isinstance(request, BY_ITSELF):
            self.calls.append(request)
        if type(request) in self._held:
            await self._may_go_on.wait()
        if type(request) in self.errors:
            raise self.errors[type(request)]
        answer: Callable[[Any], Any] = getattr(self, f"_{type(request).__name__}")
        return cast(R, await answer(request))

    async def notices(self) -> AsyncIterator[AnyNotice]:
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        self._inboxes.append(inbox)
        while (notice := await inbox.get()) is not None:
            yield notice

    async def close(self) -> None:
        return

    # for tests

    def tell(self, notice: Any) -> None:
        for inbox in self._inboxes:
            inbox.put_nowait(notice)

    def hold(self, kind: type[Request[Any]]) -> None:
        """Do not answer requests of this kind until `let_go`."""
        self._held.add(kind)

    def let_go(self) -> None:
        self._may_go_on.set()

    def hang_up(self) -> None:
        self.tell(None)
        self._inboxes.clear()

    async def stop(self) -> None:
        await self.writer.close()

    def called(self, kind: type[R]) -> list[R]:
        return [call for call in self.calls if isinstance(call, kind)]

    async def change(self, *statements: str, values: tuple[Any, ...] = ()) -> int:
        """Run SQL; `:rev` is the new revision. The result is the last row id."""

        async def mutation(transaction: Transaction) -> int:
            cursor = None
            for statement in statements:
                cursor = await transaction.db.execute(statement.replace(":rev", str(transaction.rev)), values)
            assert cursor is not None
            return cursor.lastrowid or 0

        return await self.writer.run(mutation)

    async def add_port(self, name: str = "FT-1", state: str = "open", detail: str = "") -> None:
        await self.change(
            "INSERT INTO port (name, url, protocol, state, detail, rev) VALUES (?, ?, 'lon', ?, ?, :rev)",
            values=(name, f"lon:///dev/tty-{name}", state, detail),
        )

    async def add_license(self, seats: int) -> None:
        await self.change("INSERT INTO trusted_key (id, pem, added_at, added_by) VALUES ('k', 'pem', 0, 'ada')")
        await self.change(
            "INSERT INTO license (id, devices, issued, key, added_at, added_by) VALUES ('l', ?, 0, 'k', 0, 'ada')",
            values=(seats,),
        )

    async def add_image(self, name: str, program_id: str | None = "9FFFFF0501840450", size: int = 48_700) -> str:
        sha256 = hash_of(name)
        await self.change(
            "INSERT INTO image (sha256, name, protocol, type, program_id, model, firmware, opaque, size, added_at,"
            " added_by, rev) VALUES (?, ?, 'lon', ?, ?, 50, NULL, ?, ?, ?, 'ada', :rev)",
            values=(sha256, name, name.rpartition(".")[2], program_id, program_id is None, size, NOW - 7200),
        )
        return sha256

    async def add_snapshot(self, device: int, at: float = NOW - 3 * 3600) -> None:
        await self.change(
            "INSERT INTO snapshot (device_id, uid, program_id, version, document, taken_at)"
            " SELECT id, uid, program_id, 1, '{}', ? FROM device WHERE id = ?",
            values=(at, device),
        )

    async def cut_off(self, device: int, percent: int) -> None:
        """A load of an image of the repository stops on the device."""
        await self.add_image(CUT_OFF)
        db = await self._read()
        try:
            (known,) = await views.devices_by_id(db, [device])
        finally:
            await db.close()
        checkpoint = _checkpoint(known.uid, percent)
        await self.change("UPDATE device SET checkpoint = ?, rev = :rev WHERE id = ?", values=(checkpoint, device))

    async def remove(self, *devices: int) -> None:
        """As the engine removes: the record goes, and what is left says so."""
        for device in devices:
            await self.change(
                f"DELETE FROM device WHERE id = {device}",
                f"INSERT INTO removed (device_id, rev) VALUES ({device}, :rev)",
            )

    def measure(self, *events: Event) -> None:
        """These events come, and it is told that they did."""
        self.events += events
        self.tell(Measured(ports=self.monitoring, last=self.events[-1].number if self.events else 0))

    async def add_group(self, name: str) -> None:
        await self.change("INSERT INTO device_group (name, rev) VALUES (?, :rev)", values=(name,))

    async def add(self, *specs: Spec) -> list[int]:
        """Devices, all in one transaction."""

        async def mutation(transaction: Transaction) -> list[int]:
            return [await self._insert(transaction, spec) for spec in specs]

        return await self.writer.run(mutation)

    async def _insert(self, transaction: Transaction, spec: Spec) -> int:
        db = transaction.db
        count = next(iter(await db.execute_fetchall("SELECT count(*) FROM device")))[0]
        uid = spec.uid or f"00D0711{0x50900 + count * 7:05X}"
        parts = None
        if spec.address:
            subnet, node = spec.address.split("/")
            parts = json.dumps({"subnet": int(subnet), "node": int(node)})
        cursor = await db.execute(
            "INSERT INTO device (name, uid, protocol, port_id, group_id, program_id, state, ours, application, health,"
            " licensed, marginal, address_text, address_parts, seen_at, created_at, type, location, points, checkpoint,"
            " rev) VALUES (?, ?, 'lon', (SELECT id FROM port WHERE name = ?),"
            " (SELECT id FROM device_group WHERE name = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                spec.name,
                uid,
                spec.port,
                spec.group,
                spec.program_id,
                spec.state,
                spec.ours,
                spec.application,
                spec.health,
                spec.licensed,
                spec.marginal,
                spec.address,
                parts,
                NOW - spec.seen if spec.seen is not None else None,
                NOW - 86400,
                spec.type,
                spec.location,
                json.dumps(spec.points),
                None if spec.interrupted is None else _checkpoint(uid, spec.interrupted),
                transaction.rev,
            ),
        )
        device = cursor.lastrowid or 0
        if spec.failure:
            job = await self._new_job(transaction, "provision", "Provision Selected", [device], NOW - 3600, ended=True)
            task = next(iter(await db.execute_fetchall("SELECT id FROM task WHERE job_id = ?", (job,))))[0]
            await db.execute(
                "UPDATE task SET state = 'failed', reason = ?, step = 'write domain', started_at = ?, finished_at = ?"
                " WHERE id = ?",
                (spec.failure, NOW - 3600, NOW - 3598.6, task),
            )
            for name, state, detail in (("query status", "done", ""), ("write domain", "failed", spec.failure)):
                await db.execute(
                    "INSERT INTO step (task_id, name, recovery, attempt, state, detail, started_at, finished_at)"
                    " VALUES (?, ?, 'idempotent', 1, ?, ?, ?, ?)",
                    (task, name, state, detail, NOW - 3600, NOW - 3599.3),
                )
            await db.execute("UPDATE device SET failed_task = ? WHERE id = ?", (task, device))
        return device

    async def _new_job(
        self, transaction: Transaction, action: str, title: str, devices: list[int], at: float, *, ended: bool = False
    ) -> int:
        db = transaction.db
        cursor = await db.execute(
            "INSERT INTO job (action, title, subject, parameters, state, operator, cancelling, priority, created_at,"
            " finished_at, rev) VALUES (?, ?, '', '{}', ?, 'ada', 0, 1, ?, ?, ?)",
            (action, title, "done" if ended else "running", at, at + 2 if ended else None, transaction.rev),
        )
        job = cursor.lastrowid or 0
        for device in devices:
            await db.execute(
                "INSERT INTO task (job_id, device_id, name, uid, state, step, percent, reason, attempt, rev)"
                " SELECT ?, id, name, coalesce(uid, ''), 'queued', '', NULL, '', 1, ? FROM device WHERE id = ?",
                (job, transaction.rev, device),
            )
            await db.execute("UPDATE device SET rev = ? WHERE id = ?", (transaction.rev, device))
        return job

    async def run_task(self, job: int, device: int, percent: int | None = None, step: str = "write domain") -> None:
        await self.change(
            f"UPDATE task SET state = 'running', percent = {'NULL' if percent is None else percent}, step = '{step}',"
            f" started_at = {NOW}, rev = :rev WHERE job_id = {job} AND device_id = {device}",
            f"UPDATE device SET rev = :rev WHERE id = {device}",
        )

    async def end_task(self, job: int, device: int, state: TaskState = TaskState.DONE, reason: str = "") -> None:
        provisioned = "provisioned" if state is TaskState.DONE else "unprovisioned"
        await self.change(
            f"UPDATE task SET state = '{state.value}', reason = '{reason}', started_at = {NOW},"
            f" finished_at = {NOW + 1.4}, rev = :rev WHERE job_id = {job} AND device_id = {device}",
            f"UPDATE device SET rev = :rev, state = '{provisioned}' WHERE id = {device}",
        )
        if state is TaskState.FAILED:
            await self.change(
                f"UPDATE device SET rev = :rev, failed_task = (SELECT id FROM task WHERE job_id = {job}"
                f" AND device_id = {device}) WHERE id = {device}"
            )

    async def end_job(self, job: int) -> None:
        await self.change(f"UPDATE job SET state = 'done', finished_at = {NOW + 2}, rev = :rev WHERE id = {job}")

    async def start_job(
        self, action: str, title: str, devices: list[int], at: float = NOW, *, ended: bool = False
    ) -> int:
        async def mutation(transaction: Transaction) -> int:
            return await self._new_job(transaction, action, title, devices, at, ended=ended)

        return await self.writer.run(mutation)

    # the answers

    async def _read(self) -> aiosqlite.Connection:
        return await open_reader(self.store)

    async def _MakePlan(self, request: MakePlan) -> Plan:
        db = await self._read()
        try:
            devices = await self._devices(db, request.selection)
            seats = await views.seats(db, NOW)
            images = {image.sha256: image for image in await views.images(db)}
            lost = {port.name: port.detail for port in await views.ports(db) if port.state is PortState.LOST}
            around = circumstances(
                await views.site(db), self.greeting.capabilities, self.greeting.other_tools, closed_ports=lost
            )
        finally:
            await db.close()
        subject = f"group {request.selection.group}" if request.selection.group else ""
        saved = {device.id: 0.0 for device in devices}
        conditions = Conditions(around, lambda device, image: Estimate(0.12), seats, images=images, snapshots=saved)
        action = BY_NAME[request.action]
        parameters = {**_preset(action), **request.parameters}
        return self.adjust(plan(action, devices, parameters, conditions, request.selection.scope, subject))

    async def _devices(self, db: aiosqlite.Connection, selection: Selection) -> list[Device]:
        if selection.group is None and selection.devices is None:
            return await views.devices(db)
        if selection.group is not None:
            return await views.devices_of_group(db, selection.group)
        return await views.devices_by_id(db, selection.devices or ())

    async def _StartJob(self, request: StartJob) -> int:
        action = BY_NAME[request.action]
        devices = list(request.agreed or ())
        job = await self.start_job(request.action, action.title(request.selection.scope), devices)
        if request.grace:
            await self.change(f"UPDATE job SET not_before = {NOW + request.grace}, rev = :rev WHERE id = {job}")
        return job

    async def _RetryJob(self, request: RetryJob) -> int:
        db = await self._read()
        try:
            job = await views.job(db, request.job)
            tasks = await views.tasks(db, request.job)
        finally:
            await db.close()
        again = [task.device for task in tasks if task.state in (TaskState.FAILED, TaskState.CANCELLED)]
        return await self.start_job(job.action, job.title, again)

    async def _CancelJob(self, request: CancelJob) -> None:
        await self.change(
            f"UPDATE job SET cancelling = 1, rev = :rev WHERE id = {request.job}",
            f"UPDATE task SET state = 'cancelled', reason = 'stopped by the operator', rev = :rev"
            f" WHERE job_id = {request.job} AND state = 'queued'",
            f"UPDATE device SET rev = :rev WHERE id IN (SELECT device_id FROM task WHERE job_id = {request.job})",
            f"UPDATE job SET state = 'cancelled', finished_at = {NOW + 1} WHERE id = {request.job}"
            f" AND NOT EXISTS (SELECT 1 FROM task WHERE job_id = job.id AND state = 'running')",
        )

    async def _Acknowledge(self, request: Acknowledge) -> None:
        for device in request.devices:
            await self.change(f"UPDATE device SET failed_task = NULL, rev = :rev WHERE id = {device}")

    async def _Discover(self, request: Discover) -> tuple[FoundDevice, ...]:
        await self.search_may_end.wait()
        return self.found

    async def _StopIgnoring(self, request: StopIgnoring) -> None:
        await self.change(f"DELETE FROM ignored WHERE uid = '{request.uid}'")

    async def _Adopt(self, request: Adopt) -> tuple[int, ...]:
        specs = [
            Spec(
                item.name,
                uid=item.found.uid,
                port=request.port,
                state=(item.found.state or NetworkState.UNPROVISIONED).value,
                ours=False,
            )
            for item in request.devices
        ]
        return tuple(await self.add(*specs))

    async def _AddDevice(self, request: AddDevice) -> int:
        db = await self._read()
        try:
            for device in await views.devices(db):
                if device.name == request.name:
                    raise FieldhandError(Kind.DUPLICATE_NAME, name=request.name, what="device")
        finally:
            await db.close()
        (device_id,) = await self.add(
            Spec(
                request.name,
                uid=request.uid,
                port=request.port,
                group=request.group,
                type=request.type,
                location=request.location,
            )
        )
        return device_id

    async def _EditDevice(self, request: EditDevice) -> None:
        for column in ("name", "uid", "type", "location"):
            value = getattr(request, column)
            if value is not None:
                await self.change(
                    f"UPDATE device SET {column} = ?, rev = :rev WHERE id = {request.device}", values=(value,)
                )

        if request.points is not None:
            await self.change(
                f"UPDATE device SET points = ?, rev = :rev WHERE id = {request.device}",
                values=(json.dumps(request.points),),
            )

    async def _IdentifyUnit(self, request: IdentifyUnit) -> FoundDevice:
        if request.uid not in self.units:
            raise FieldhandError(Kind.NO_REPLY, step="query status", attempts=4)
        return self.units[request.uid]

    async def _WinkUnit(self, request: WinkUnit) -> None:
        return

    async def _ImportDevices(self, request: ImportDevices) -> ImportReport:
        return self.report

    async def _AddImage(self, request: AddImage) -> StoredImage:
        await self.add_image(request.name, size=len(base64.b64decode(request.data)))
        db = await self._read()
        try:
            return await views.image(db, request.name)
        finally:
            await db.close()

    async def _RemoveImage(self, request: RemoveImage) -> None:
        await self.change("DELETE FROM image WHERE sha256 = ?", values=(request.image,))

    async def _AddLicense(self, request: AddLicense) -> License:
        await self.add_license(200)
        return License("l", 200, None, NOW, None, "k", NOW, "ada")

    async def _TrustKey(self, request: TrustKey) -> str:
        return "k-1"

    async def _AddPort(self, request: AddPort) -> Port:
        await self.add_port(request.name)
        return Port(1, request.name, request.url, "lon", PortState.OPEN, "", 0, 1)

    async def _FindPorts(self, request: FindPorts) -> tuple[PortFound, ...]:
        return (place(request.path),) if request.path else self.places

    async def _TryPort(self, request: TryPort) -> str:
        if request.url in self.silent:
            raise FieldhandError(Kind.NOT_AN_INTERFACE, port="ttyACM0", protocol="lon", reason="no answer")
        return "a LON network interface answers"

    async def _RemovePort(self, request: RemovePort) -> None:
        await self.change("DELETE FROM port WHERE name = ?", values=(request.port,))

    async def _PauseMonitoring(self, request: PauseMonitoring) -> None:
        where = "" if request.port is None else f" WHERE name = '{request.port}'"
        await self.change(f"UPDATE port SET paused = {int(request.paused)}, rev = :rev{where}")

    async def _ReadMonitoring(self, request: ReadMonitoring) -> tuple[PortMonitoring, ...]:
        return self.monitoring

    async def _ReadEvents(self, request: ReadEvents) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.number > request.since)[: request.limit]

    async def _AddGroup(self, request: AddGroup) -> None:
        db = await self._read()
        try:
            taken = any(group.name == request.name for group in await views.groups(db))
        finally:
            await db.close()
        if taken:
            raise FieldhandError(Kind.DUPLICATE_NAME, name=request.name, what="group")
        await self.add_group(request.name)

    async def _RenameGroup(self, request: RenameGroup) -> None:
        await self.change(
            "UPDATE device_group SET name = ?, rev = :rev WHERE name = ?", values=(request.name, request.group)
        )

    async def _RemoveGroup(self, request: RemoveGroup) -> None:
        await self.change(
            "UPDATE device SET group_id = NULL, rev = :rev"
            " WHERE group_id = (SELECT id FROM device_group WHERE name = ?)",
            values=(request.group,),
        )
        await self.change("DELETE FROM device_group WHERE name = ?", values=(request.group,))

    async def _AssignGroup(self, request: AssignGroup) -> None:
        for device in request.devices:
            await self.change(
                "UPDATE device SET group_id = (SELECT id FROM device_group WHERE name = ?), rev = :rev WHERE id = ?",
                values=(request.group, device),
            )


def place(path: str, what: str = "", device: str = "", **more: str) -> PortFound:
    """Where a port may be, and as what it can be tried."""
    urls = (("LON, U50", f"lon://{path}"), ("LON, U61", f"lon://{path}?interface=u61"))
    taken = {"holder": "", "port": "", **more}
    return PortFound(path=path, device=device or path, what=what, urls=urls, **taken)


def report(**found: Any) -> ImportReport:
    """What an import comes to; of what is not said there is nothing."""
    nothing = {"added": (), "known": (), "groups": (), "problems": (), "seats_short": 0}
    return ImportReport.model_validate({**nothing, **found})


def _preset(action: Action) -> dict[str, Any]:
    """The parameters of the action as the catalogue presets them."""
    return {one.name: one.default for one in fields(action.parameters) if one.default is not MISSING}


def hash_of(image: str) -> str:
    return hashlib.sha256(image.encode()).hexdigest()


def _checkpoint(uid: str, percent: int) -> str:
    return StoredCheckpoint("load", uid, CUT_OFF, hash_of(CUT_OFF), False, percent, {}).to_json()


async def plant(engine: FakeEngine) -> None:
    """A site with something of everything: what the pictures are taken of."""
    await engine.add_port()
    await engine.add_license(40)
    for group in ("roof", "plant room", "offices"):
        await engine.add_group(group)
    await engine.add(
        Spec("AHU-03 supply fan", group="roof", seen=130),
        ok("AHU-04 supply fan", "1/14", group="roof"),
        Spec("AHU-05 supply fan", group="roof", seen=3700, failure="no answer at write domain after 4 tries"),
        ok("VAV 3.14 east", "1/31", group="roof", health="suspect", seen=190),
        ok("VAV 3.15 east", "7/2", group="roof", ours=False, seen=40),
        Spec("VAV 3.16 east", group="roof", licensed=False, seen=560),
        ok("Exhaust 2", "1/40", group="roof", health="down", seen=7300),
        Spec("Boiler 1", group="plant room", application=False, seen=20),
        ok("Boiler 2", "1/41", group="plant room", marginal="reports low water"),
        ok("Pump P-11 primary heating circuit, basement west", "1/42", group="plant room"),
        *(ok(f"VAV 4.{n:02} west", f"1/{50 + n}", group="offices", seen=n * 4.0) for n in range(1, 15)),
        *(Spec(f"VAV 5.{n:02} west", group="offices", seen=None) for n in range(1, 13)),
    )
