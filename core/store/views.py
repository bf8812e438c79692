"""What can be read of the store: everything on the screens and in the listings comes from here.

Functions over a connection (`database.open_reader`). Rows carry `rev`: give the revision you know as
`since` and get only what changed after it. Reads are short; no cursor is held over an await.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import lru_cache
from sys import intern
from types import MappingProxyType
from typing import Final, TypeVar

import aiosqlite

from core.errors import FieldhandError, Kind
from core.models import (
    Device,
    DeviceType,
    Failure,
    Group,
    Health,
    Ignored,
    Job,
    JobState,
    JournalStep,
    License,
    Mode,
    Pausing,
    Pending,
    Port,
    PortState,
    Seats,
    Site,
    StepState,
    StoredImage,
    StoredSnapshot,
    Summary,
    Task,
    TaskState,
)
from core.store.checkpoints import StoredCheckpoint
from drivers.base import Address, NetworkState

DEVICES_IN_A_PAGE: Final = 1000

_DEVICE = """
    SELECT d.id, d.name, d.uid, d.protocol, p.name AS port, g.name AS "group", d.program_id, d.state, d.ours,
           d.application, d.health, d.licensed, d.marginal, d.address_text, d.address_parts, d.address_key, d.seen_at,
           d.created_at, d.rev, d.type, d.location, d.model, d.firmware, d.points, d.carried, d.checkpoint,
           t.job_id AS pending_job, j.action AS pending_action, t.state AS pending_state, t.step AS pending_step,
           t.percent AS pending_percent, coalesce(t.started_at, j.created_at) AS pending_since,
           f.job_id AS failed_job, fj.action AS failed_action, f.reason AS failed_reason, f.finished_at AS failed_at
    FROM device d
    LEFT JOIN port p ON p.id = d.port_id
    LEFT JOIN device_group g ON g.id = d.group_id
    LEFT JOIN task t ON t.device_id = d.id AND t.state IN ('queued', 'running')
    LEFT JOIN job j ON j.id = t.job_id
    LEFT JOIN task f ON f.id = d.failed_task
    LEFT JOIN job fj ON fj.id = f.job_id
"""


async def devices(db: aiosqlite.Connection, since: int = 0) -> list[Device]:
    """The devices that changed after the revision, in order of creation; all of them for 0."""
    rows = await db.execute_fetchall(f"{_DEVICE} WHERE d.rev > ? ORDER BY {_id(since)}", (since,))
    return [_device(row) for row in rows]


async def pages_of_devices(db: aiosqlite.Connection, since: int = 0) -> AsyncGenerator[list[Device], None]:
    """As `devices`, page by page: whoever reads a hundred thousand has to do other things in between."""
    last, identity = 0, _id(since)
    while True:
        rows = await db.execute_fetchall(
            f"{_DEVICE} WHERE d.rev > ? AND {identity} > ? ORDER BY {identity} LIMIT ?",
            (since, last, DEVICES_IN_A_PAGE),
        )
        page = [_device(row) for row in rows]
        if page:
            yield page
        if len(page) < DEVICES_IN_A_PAGE:
            return
        last = page[-1].id


def _id(since: int) -> str:
    return "+d.id" if since else "d.id"  # with the plus, the few that changed are found by the index on their revision


async def devices_by_id(db: aiosqlite.Connection, ids: Sequence[int]) -> list[Device]:
    """These devices, in this order; raises UNKNOWN_DEVICE for one that is not there."""
    rows = await db.execute_fetchall(
        f"{_DEVICE} WHERE d.id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
    )
    found = {row["id"]: _device(row) for row in rows}
    for wanted in ids:
        if wanted not in found:
            raise FieldhandError(Kind.UNKNOWN_DEVICE, device=str(wanted))
    return [found[wanted] for wanted in dict.fromkeys(ids)]


async def devices_of_group(db: aiosqlite.Connection, group: str) -> list[Device]:
    """The members of a group; raises UNKNOWN_GROUP."""
    await group_id(db, group)
    rows = await db.execute_fetchall(f"{_DEVICE} WHERE g.name = ? ORDER BY d.id", (group,))
    return [_device(row) for row in rows]


async def find_device(db: aiosqlite.Connection, text: str, uid: str | None) -> Device:
    """The device of this name, UID (`uid`: the text read as one) or id, in this order; raises UNKNOWN_DEVICE."""
    for column, value in (
        ("name", text),
        ("uid", uid),
        ("id", text if text.isascii() and text.isdigit() else None),
    ):
        if value is not None:
            rows = list(await db.execute_fetchall(f"{_DEVICE} WHERE d.{column} = ?", (value,)))
            if rows:
                return _device(rows[0])
    raise FieldhandError(Kind.UNKNOWN_DEVICE, device=text)


async def groups(db: aiosqlite.Connection) -> list[Group]:
    """All groups by name, with how many devices are in each."""
    rows = await db.execute_fetchall(
        "SELECT g.*, (SELECT count(*) FROM device d WHERE d.group_id = g.id) AS devices "
        "FROM device_group g ORDER BY g.name COLLATE NOCASE"
    )
    return [Group(row["id"], row["name"], row["devices"], row["rev"]) for row in rows]


async def group_id(db: aiosqlite.Connection, name: str) -> int:
    """The id of a group; raises UNKNOWN_GROUP."""
    for row in await db.execute_fetchall("SELECT id FROM device_group WHERE name = ?", (name,)):
        return int(row["id"])
    raise FieldhandError(Kind.UNKNOWN_GROUP, group=name)


async def ports(db: aiosqlite.Connection) -> list[Port]:
    """All ports by name."""
    rows = await db.execute_fetchall(
        "SELECT p.*, (SELECT count(*) FROM device d WHERE d.port_id = p.id) AS devices,"
        " (SELECT json_group_array(DISTINCT j.id) FROM job j JOIN task t ON t.job_id = j.id"
        "  JOIN device d ON d.id = t.device_id"
        "  WHERE j.state = 'running' AND j.pauses AND t.state IN ('queued', 'running') AND +d.port_id = p.id)"
        " AS paused_by"
        " FROM port p ORDER BY p.name"
    )
    return [_port(row) for row in rows]


async def port(db: aiosqlite.Connection, name: str) -> Port:
    """A port by its name; raises UNKNOWN_PORT."""
    for candidate in await ports(db):
        if candidate.name == name:
            return candidate
    raise FieldhandError(Kind.UNKNOWN_PORT, port=name)


_JOB = """
    SELECT j.*, sum(t.state <> 'skipped') AS total,
           sum(t.state = 'queued') AS queued, sum(t.state = 'running') AS running, sum(t.state = 'done') AS done,
           sum(t.state = 'failed') AS failed, sum(t.state = 'skipped') AS skipped,
           sum(t.state = 'cancelled') AS cancelled,
           total(iif(t.state = 'running', t.percent, 0)) / 100 AS partly
    FROM job j JOIN task t ON t.job_id = j.id
"""


async def jobs(db: aiosqlite.Connection, limit: int = 200) -> list[Job]:
    """Jobs, running ones first, then the newest first."""
    rows = await db.execute_fetchall(
        f"{_JOB} GROUP BY j.id ORDER BY j.state = 'running' DESC, j.id DESC LIMIT ?", (limit,)
    )
    return [_job(row) for row in rows]


async def job(db: aiosqlite.Connection, job_id: int) -> Job:
    """One job; raises UNKNOWN_JOB."""
    for row in await db.execute_fetchall(f"{_JOB} WHERE j.id = ? GROUP BY j.id", (job_id,)):
        return _job(row)
    raise FieldhandError(Kind.UNKNOWN_JOB, job=str(job_id))


async def tasks(db: aiosqlite.Connection, job_id: int, since: int = 0) -> list[Task]:
    """The tasks of a job that changed after the revision, in the order of the plan."""
    rows = await db.execute_fetchall(
        "SELECT * FROM task WHERE job_id = ? AND rev > ? ORDER BY id",
        (job_id, since),
    )
    return [_task(row) for row in rows]


async def steps(db: aiosqlite.Connection, task: int) -> list[JournalStep]:
    """The journal of a task, oldest first."""
    rows = await db.execute_fetchall("SELECT * FROM step WHERE task_id = ? ORDER BY id", (task,))
    return [
        JournalStep(
            task=row["task_id"],
            name=row["name"],
            recovery=row["recovery"],
            attempt=row["attempt"],
            state=StepState(row["state"]),
            detail=row["detail"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
        )
        for row in rows
    ]


async def tasks_of_device(db: aiosqlite.Connection, device: int, limit: int = 20) -> list[tuple[Job, Task]]:
    """What was done to a device, newest first."""
    rows = await db.execute_fetchall(
        "SELECT * FROM task WHERE device_id = ? ORDER BY id DESC LIMIT ?",
        (device, limit),
    )
    return [(await job(db, row["job_id"]), _task(row)) for row in rows]


async def removed(db: aiosqlite.Connection, since: int) -> list[int]:
    """The devices that were removed after the revision."""
    rows = await db.execute_fetchall("SELECT device_id FROM removed WHERE rev > ?", (since,))
    return [row["device_id"] for row in rows]


async def ignored(db: aiosqlite.Connection) -> list[Ignored]:
    """The devices that a search does not offer, by name."""
    rows = await db.execute_fetchall("SELECT * FROM ignored ORDER BY name, uid")
    return [Ignored(row["uid"], row["name"], row["protocol"], row["at"], row["by"]) for row in rows]


async def device_types(db: aiosqlite.Connection) -> list[DeviceType]:
    """The device types that were added, by protocol and name."""
    rows = await db.execute_fetchall("SELECT * FROM device_type ORDER BY protocol, name")
    return [DeviceType(row["protocol"], row["name"], row["text"], row["added_at"], row["added_by"]) for row in rows]


async def images(db: aiosqlite.Connection) -> list[StoredImage]:
    """The image repository, by name."""
    rows = await db.execute_fetchall("SELECT * FROM image ORDER BY name COLLATE NOCASE")
    return [
        StoredImage(
            sha256=row["sha256"],
            name=row["name"],
            protocol=row["protocol"],
            type=row["type"],
            program_id=row["program_id"],
            model=row["model"],
            firmware=row["firmware"],
            opaque=bool(row["opaque"]),
            size=row["size"],
            added_at=row["added_at"],
            added_by=row["added_by"],
            rev=row["rev"],
        )
        for row in rows
    ]


async def image(db: aiosqlite.Connection, text: str) -> StoredImage:
    """The image of this name, or of this SHA-256 (at least eight digits of it); raises UNKNOWN_IMAGE."""
    known = await images(db)
    for candidate in known:
        if candidate.name == text:
            return candidate
    matching = [candidate for candidate in known if len(text) >= 8 and candidate.sha256.startswith(text.lower())]
    if len(matching) != 1:
        raise FieldhandError(Kind.UNKNOWN_IMAGE, image=text)
    return matching[0]


async def snapshots(db: aiosqlite.Connection, device: int) -> list[StoredSnapshot]:
    """The configurations of a device that were kept, newest first."""
    rows = await db.execute_fetchall("SELECT * FROM snapshot WHERE device_id = ? ORDER BY id DESC", (device,))
    return [
        StoredSnapshot(
            id=row["id"],
            device=row["device_id"],
            task=row["task_id"],
            uid=row["uid"],
            program_id=row["program_id"],
            version=row["version"],
            document=json.loads(row["document"]),
            taken_at=row["taken_at"],
        )
        for row in rows
    ]


async def snapshot_times(db: aiosqlite.Connection, devices: Sequence[int]) -> dict[int, float]:
    """When the configuration of each of these devices was kept last; those of which none was are left out."""
    rows = await db.execute_fetchall(
        "SELECT device_id, max(taken_at) AS at FROM snapshot WHERE device_id IN (SELECT value FROM json_each(?))"
        " GROUP BY device_id",
        (json.dumps(list(devices)),),
    )
    return {row["device_id"]: row["at"] for row in rows}


async def history(
    db: aiosqlite.Connection, device: int | None = None, called: str | None = None, limit: int = 10_000
) -> list[tuple[Job, Task]]:
    """Who did what to which device when, and what came of it: newest first.

    Of one device, of those that had this name or UID then (they may be gone since), or of all.
    """
    rows = list(
        await db.execute_fetchall(
            "SELECT * FROM task WHERE (?1 IS NULL OR device_id = ?1) AND (?2 IS NULL OR name = ?2 OR uid = upper(?2))"
            " ORDER BY id DESC LIMIT ?3",
            (device, called, limit),
        )
    )
    ids = json.dumps(sorted({row["job_id"] for row in rows}))
    of = f"{_JOB} WHERE j.id IN (SELECT value FROM json_each(?)) GROUP BY j.id"
    jobs = {row["id"]: _job(row) for row in await db.execute_fetchall(of, (ids,))}
    return [(jobs[row["job_id"]], _task(row)) for row in rows]


async def licenses(db: aiosqlite.Connection) -> list[License]:
    """The licenses that were accepted, oldest first."""
    rows = await db.execute_fetchall("SELECT * FROM license ORDER BY added_at, id")
    return [
        License(
            id=row["id"],
            devices=row["devices"],
            site=row["site"],
            issued=row["issued"],
            expires=row["expires"],
            key=row["key"],
            added_at=row["added_at"],
            added_by=row["added_by"],
        )
        for row in rows
    ]


_SUMMARY = """
    SELECT site.*, (SELECT coalesce(sum(devices), 0) FROM license
                    WHERE (expires IS NULL OR expires > ?) AND (site IS NULL OR site = site.name)) AS capacity,
           (SELECT count(*) FROM device) AS devices, (SELECT count(*) FROM device WHERE NOT licensed) AS waiting,
           (SELECT count(*) FROM port) AS ports, (SELECT count(*) FROM port WHERE state = 'open') AS ports_open,
           (SELECT count(*) FROM device_group) AS groups,
           (SELECT count(*) FROM job WHERE state = 'running') AS jobs_running
    FROM site
"""


async def seats(db: aiosqlite.Connection, now: float) -> Seats:
    """Capacity at this time, and who holds or waits for a seat."""
    return (await summary(db, now)).seats


async def site(db: aiosqlite.Connection) -> Site:
    """What is said once for the whole site."""
    return _site(next(iter(await db.execute_fetchall("SELECT * FROM site"))))


async def revision(db: aiosqlite.Connection) -> int:
    """The newest revision that can be read."""
    return await _number(db, "SELECT rev FROM site")


async def summary(db: aiosqlite.Connection, now: float) -> Summary:
    """Everything in a glance."""
    row = next(iter(await db.execute_fetchall(_SUMMARY, (now,))))
    return Summary(
        rev=row["rev"],
        site=_site(row),
        seats=Seats(row["capacity"], row["devices"] - row["waiting"], row["waiting"]),
        devices=row["devices"],
        ports=row["ports"],
        ports_open=row["ports_open"],
        groups=row["groups"],
        jobs_running=row["jobs_running"],
    )


async def _number(db: aiosqlite.Connection, query: str, *values: object) -> int:
    row = next(iter(await db.execute_fetchall(query, values)))
    return int(row[0] or 0)


def _site(row: aiosqlite.Row) -> Site:
    return Site(
        name=row["name"],
        domain=row["domain"],
        subnet=row["subnet"],
        node=row["node"],
        mode=Mode(row["mode"]),
        without=tuple(json.loads(row["without"])),
        pausing=Pausing(row["pausing"]),
        pause_above=row["pause_above"],
        poll_seconds=row["poll_seconds"],
    )


def _device(row: aiosqlite.Row) -> Device:
    # By place: looking up all the names costs more than everything else, and there may be a hundred thousand rows.
    # fmt: off
    (
        identity, name, uid, protocol, port, group, program_id, state, ours,
        application, health, licensed, marginal, address_text, address_parts, address_key, seen_at,
        created_at, rev, type_, location, model, firmware, points, carried, checkpoint,
        pending_job, pending_action, pending_state, pending_step, pending_percent, pending_since,
        failed_job, failed_action, failed_reason, failed_at,
    ) = row
    # fmt: on
    pending = failure = address = None
    if pending_job is not None:
        pending = Pending(
            job=pending_job,
            action=pending_action,
            state=TaskState(pending_state),
            step=pending_step,
            percent=pending_percent,
            since=pending_since,
        )
    if failed_job is not None:
        failure = Failure(failed_job, failed_action, failed_reason, failed_at)
    network_state = NetworkState(state)
    cut_off = StoredCheckpoint.of(checkpoint, uid)
    held = ours or address_key is None  # not one that was only set aside for it
    if address_text is not None and network_state is NetworkState.PROVISIONED and held:
        address = Address(address_text, {intern(name): part for name, part in json.loads(address_parts).items()})
    return Device(
        id=identity,
        name=name,
        uid=uid or "",
        protocol=_shared(protocol),
        port=_shared(port),
        group=_shared(group),
        program_id=_shared(program_id),
        state=network_state,
        ours=bool(ours),
        application=bool(application),
        health=Health(health),
        licensed=bool(licensed),
        marginal=marginal,
        pending=pending,
        failure=failure,
        address=address,
        seen_at=seen_at,
        created_at=created_at,
        rev=rev,
        type=_shared(type_),
        location=_shared(location),
        model=model,
        firmware=firmware,
        points=_points(points),
        carried=_carried(carried),
        interrupted=cut_off.for_people() if cut_off else None,
    )


_Shared = TypeVar("_Shared", str, str | None)


@lru_cache(maxsize=4096)
def _shared(text: _Shared) -> _Shared:
    """One string for all the devices that have it: they share ports, groups and types by the thousand."""
    return text


@lru_cache(maxsize=4096)
def _points(written: str) -> tuple[str, ...]:
    return tuple(json.loads(written))


@lru_cache(maxsize=4096)
def _carried(written: str) -> Mapping[str, str]:
    return MappingProxyType(json.loads(written))


def _port(row: aiosqlite.Row) -> Port:
    return Port(
        id=row["id"],
        name=row["name"],
        url=row["url"],
        protocol=row["protocol"],
        state=PortState(row["state"]),
        detail=row["detail"],
        devices=row["devices"],
        rev=row["rev"],
        paused=bool(row["paused"]),
        paused_by=tuple(json.loads(row["paused_by"])),
    )


def _job(row: aiosqlite.Row) -> Job:
    return Job(
        id=row["id"],
        action=row["action"],
        title=row["title"],
        subject=row["subject"],
        parameters=json.loads(row["parameters"]),
        state=JobState(row["state"]),
        operator=row["operator"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        cancelling=bool(row["cancelling"]),
        total=row["total"],
        queued=row["queued"],
        running=row["running"],
        done=row["done"],
        failed=row["failed"],
        skipped=row["skipped"],
        cancelled=row["cancelled"],
        rev=row["rev"],
        pauses=bool(row["pauses"]),
        partly=row["partly"],
        not_before=row["not_before"],
    )


def _task(row: aiosqlite.Row) -> Task:
    return Task(
        id=row["id"],
        job=row["job_id"],
        device=row["device_id"],
        name=row["name"],
        uid=row["uid"],
        state=TaskState(row["state"]),
        step=row["step"],
        percent=row["percent"],
        reason=row["reason"],
        attempt=row["attempt"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        rev=row["rev"],
        detail=row["detail"],
    )
