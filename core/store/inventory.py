"""Changes to what there is: ports, devices, groups, licenses, the site. Each function is one mutation."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiosqlite

from core import licensing
from core.addressing import key
from core.errors import FieldhandError, Kind
from core.models import Health, Port, PortState, Site
from core.store import views
from core.store.database import Transaction
from drivers.base import Address, AddressScope, Found, NetworkState


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device to be made: by hand, or from what was found."""

    name: str
    uid: str | None
    protocol: str
    port: int
    group: int | None = None
    program_id: str | None = None
    found: Found | None = None
    type: str = ""
    location: str = ""
    carried: Mapping[str, str] = field(default_factory=dict)


async def add_port(tx: Transaction, name: str, url: str, protocol: str) -> Port:
    """Keep a port that was proved to be open; raises DUPLICATE_NAME or INVALID."""
    for port in await views.ports(tx.db):
        if port.url == url:
            raise FieldhandError(Kind.INVALID, what="port", value=url, reason=f"it is there already as {port.name!r}")
    await _unique(
        tx,
        "port",
        name,
        "INSERT INTO port (name, url, protocol, state, detail, rev) VALUES (?, ?, ?, ?, '', ?)",
        (name, url, protocol, PortState.OPEN.value, tx.rev),
    )
    return await views.port(tx.db, name)


async def remove_port(tx: Transaction, name: str) -> Port:
    """Forget a port; raises IN_USE while devices are on it."""
    port = await views.port(tx.db, name)
    if port.devices:
        raise FieldhandError(Kind.IN_USE, what="port", name=name, reason=f"{port.devices} devices are on it")
    await tx.db.execute("DELETE FROM port WHERE id = ?", (port.id,))
    return port


async def set_port_state(tx: Transaction, port: int, state: PortState, detail: str) -> None:
    """What the worker knows of a port."""
    await tx.db.execute(
        "UPDATE port SET state = ?, detail = ?, rev = ? WHERE id = ?", (state.value, detail, tx.rev, port)
    )


async def close_ports(tx: Transaction) -> None:
    """No worker has any port open."""
    await tx.db.execute("UPDATE port SET state = ?, detail = '', rev = ?", (PortState.CLOSED.value, tx.rev))


async def add_devices(tx: Transaction, devices: Sequence[NewDevice]) -> tuple[int, ...]:
    """Make devices, all or none; raises DUPLICATE_UID or DUPLICATE_NAME."""
    ids = []
    for device in devices:
        if device.uid is not None:
            await uid_is_free(tx, device.uid)
            await tx.db.execute("DELETE FROM ignored WHERE uid = ?", (device.uid,))
        ids.append(
            await _unique(
                tx,
                "device",
                device.name,
                "INSERT INTO device (name, uid, protocol, port_id, group_id, program_id, type, location, carried,"
                " state, ours, application, health, licensed, marginal, created_at, rev)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 1, ?, 0, '', ?, ?)",
                (
                    device.name,
                    device.uid,
                    device.protocol,
                    device.port,
                    device.group,
                    device.program_id,
                    device.type,
                    device.location,
                    json.dumps(dict(device.carried)),
                    NetworkState.UNPROVISIONED.value,
                    Health.NASCENT.value,
                    tx.now,
                    tx.rev,
                ),
            )
        )
        if device.found is not None:
            await observe(tx, ids[-1], device.found)
    await reseat(tx)
    return tuple(ids)


async def observe_known(tx: Transaction, found: Sequence[Found]) -> None:
    """Take over what a search saw of devices that are known."""
    for device in found:
        for row in await tx.db.execute_fetchall("SELECT id FROM device WHERE uid = ?", (device.uid,)):
            await observe(tx, row["id"], device)


async def observe(tx: Transaction, device: int, found: Found) -> None:
    """Take over what a search saw of a device that no job is working on.

    A device that carries the address this site gave it is ours; one configured in any other way
    was provisioned elsewhere. Where it could not be asked for its address, or does not know whether it is
    provisioned, whose it is stays as it was.
    """
    row = await _row(
        tx,
        "SELECT state, ours, address_key, address_parts, EXISTS (SELECT 1 FROM task WHERE device_id = d.id"
        " AND state IN ('queued', 'running')) AS busy FROM device d WHERE id = ?",
        device,
    )
    if row["busy"]:
        return
    given = row["address_parts"] if row["address_key"] is not None else None
    state = row["state"] if found.state is None else found.state.value
    configured = state == NetworkState.PROVISIONED.value
    if found.address is None or found.state is None:
        ours = configured and bool(row["ours"])
    else:
        ours = configured and key(found.address.parts) == given
    await tx.db.execute(
        "UPDATE device SET program_id = coalesce(?, program_id), model = coalesce(?, model),"
        " firmware = coalesce(?, firmware), state = ?, ours = ?, application = ?, seen_at = ?, rev = ? WHERE id = ?",
        (
            found.program_id,
            found.model,
            found.firmware,
            state,
            ours,
            found.application,
            tx.now,
            tx.rev,
            device,
        ),
    )
    elsewhere = configured and not ours
    always_somewhere = found.state is None and given is None
    if found.address is not None and (elsewhere or always_somewhere):
        await set_address(tx, device, found.address)
    elif not configured and given is None and found.state is not None:
        await set_address(tx, device, None)


@dataclass(frozen=True, slots=True)
class DeviceChanges:
    """What a person may change of a device; None leaves as it is."""

    name: str | None = None
    uid: str | None = None
    port: int | None = None
    program_id: str | None = None
    type: str | None = None
    location: str | None = None
    points: tuple[str, ...] | None = None


async def edit_device(tx: Transaction, device: int, changes: DeviceChanges) -> None:
    """Change a device's record; raises DUPLICATE_NAME, DUPLICATE_UID or UNKNOWN_DEVICE."""
    before = (await views.devices_by_id(tx.db, [device]))[0]
    uid, name, program_id = changes.uid, changes.name or before.name, changes.program_id
    if before.pending is not None and (uid is not None or changes.port is not None):
        raise FieldhandError(
            Kind.IN_USE, what="device", name=before.name, reason=f"job {before.pending.job} is working on it"
        )
    if uid is not None and uid != before.uid:
        if before.state is NetworkState.PROVISIONED:
            raise FieldhandError(
                Kind.NOT_ALLOWED,
                reason=f"{before.name!r} is provisioned: deprovision it before it gets another UID",
            )
        await uid_is_free(tx, uid)
    await _unique(
        tx,
        "device",
        name,
        "UPDATE device SET name = ?, uid = ?, port_id = coalesce(?, port_id), program_id = ?, type = ?, location = ?,"
        " points = ?, rev = ? WHERE id = ?",
        (
            name,
            (before.uid if uid is None else uid) or None,
            changes.port,
            before.program_id if program_id is None else program_id or None,
            before.type if changes.type is None else changes.type,
            before.location if changes.location is None else changes.location,
            json.dumps(before.points if changes.points is None else changes.points),
            tx.rev,
            device,
        ),
    )


async def remove_device(tx: Transaction, device: int, ignore_by: str | None) -> None:
    """Take a device off the list, with all that is kept of it but its history. Its license seat is free.

    `ignore_by`: the operator who does not want it to be offered again when it is found.
    """
    if ignore_by is not None:
        await tx.db.execute(
            "INSERT OR REPLACE INTO ignored (uid, name, protocol, at, by)"
            " SELECT uid, name, protocol, ?, ? FROM device WHERE id = ? AND uid IS NOT NULL",
            (tx.now, ignore_by, device),
        )
    await tx.db.execute("DELETE FROM snapshot WHERE device_id = ?", (device,))
    await tx.db.execute("DELETE FROM device WHERE id = ?", (device,))
    await tx.db.execute("INSERT INTO removed (device_id, rev) VALUES (?, ?)", (device, tx.rev))
    await reseat(tx)


async def add_type(tx: Transaction, protocol: str, name: str, text: str, operator: str) -> None:
    """Keep a device type, in place of one of the same name."""
    await tx.db.execute(
        "INSERT OR REPLACE INTO device_type (protocol, name, text, added_at, added_by) VALUES (?, ?, ?, ?, ?)",
        (protocol, name, text, tx.now, operator),
    )


async def stop_ignoring(tx: Transaction, uid: str) -> None:
    """Let a search offer the device again; raises UNKNOWN_DEVICE."""
    cursor = await tx.db.execute("DELETE FROM ignored WHERE uid = ?", (uid,))
    if not cursor.rowcount:
        raise FieldhandError(Kind.UNKNOWN_DEVICE, device=uid)


async def set_address(tx: Transaction, device: int, address: Address | None, scope: AddressScope | None = None) -> None:
    """Write down a device's address. With a scope it is one this site gives: nobody else can have it there."""
    unique = None
    parts = key(address.parts) if address else None
    if address is not None and scope is not None:
        row = await _row(tx, "SELECT protocol, port_id FROM device WHERE id = ?", device)
        where = row["port_id"] if scope is AddressScope.PORT else ""
        unique = f"{row['protocol']} {where} {parts}"
    await tx.db.execute(
        "UPDATE device SET address_text = ?, address_parts = ?, address_key = ?, rev = ? WHERE id = ?",
        (address.text if address else None, parts, unique, tx.rev, device),
    )


async def addresses_in_use(tx: Transaction, protocol: str, port: int | None) -> list[str]:
    """The addresses (by `addressing.key`) that are given, or were seen, for a protocol; of one port, or all."""
    rows = await tx.db.execute_fetchall(
        "SELECT address_parts FROM device WHERE address_parts IS NOT NULL AND protocol = ?"
        " AND (? IS NULL OR port_id = ?)",
        (protocol, port, port),
    )
    return [row["address_parts"] for row in rows]


async def names(db: aiosqlite.Connection) -> tuple[dict[str, str], set[str]]:
    """The name of each device by its UID, and all names, for those without a UID have one too."""
    rows = list(await db.execute_fetchall("SELECT uid, name FROM device"))
    return {row["uid"]: row["name"] for row in rows if row["uid"] is not None}, {row["name"] for row in rows}


async def acknowledge(tx: Transaction, devices: Sequence[int]) -> None:
    """The failures of these devices were looked at."""
    await tx.db.execute(
        "UPDATE device SET failed_task = NULL, rev = ? WHERE failed_task IS NOT NULL"
        " AND id IN (SELECT value FROM json_each(?))",
        (tx.rev, json.dumps(list(devices))),
    )


async def add_group(tx: Transaction, name: str) -> None:
    """Make an empty group; raises DUPLICATE_NAME."""
    await _unique(tx, "group", name, "INSERT INTO device_group (name, rev) VALUES (?, ?)", (name, tx.rev))


async def rename_group(tx: Transaction, group: str, name: str) -> None:
    """Give a group another name; raises UNKNOWN_GROUP or DUPLICATE_NAME."""
    group_id = await views.group_id(tx.db, group)
    await _unique(tx, "group", name, "UPDATE device_group SET name = ?, rev = ? WHERE id = ?", (name, tx.rev, group_id))
    await tx.db.execute("UPDATE device SET rev = ? WHERE group_id = ?", (tx.rev, group_id))


async def remove_group(tx: Transaction, group: str) -> None:
    """Delete a group; its devices stay."""
    group_id = await views.group_id(tx.db, group)
    await tx.db.execute("UPDATE device SET group_id = NULL, rev = ? WHERE group_id = ?", (tx.rev, group_id))
    await tx.db.execute("DELETE FROM device_group WHERE id = ?", (group_id,))


async def assign_group(tx: Transaction, devices: Sequence[int], group: str | None) -> None:
    """Put devices into a group, or into none; raises UNKNOWN_GROUP or UNKNOWN_DEVICE."""
    group_id = await views.group_id(tx.db, group) if group is not None else None
    await views.devices_by_id(tx.db, devices)
    await tx.db.execute(
        "UPDATE device SET group_id = ?, rev = ? WHERE id IN (SELECT value FROM json_each(?))",
        (group_id, tx.rev, json.dumps(list(devices))),
    )


async def trust_key(tx: Transaction, key_id: str, pem: str, operator: str) -> None:
    """Accept licenses signed with this key."""
    await tx.db.execute(
        "INSERT OR IGNORE INTO trusted_key (id, pem, added_at, added_by) VALUES (?, ?, ?, ?)",
        (key_id, pem, tx.now, operator),
    )


async def trusted_key(tx: Transaction, key_id: str) -> str:
    """The public key (PEM) of this id; raises LICENSE when it is not trusted here."""
    for row in await tx.db.execute_fetchall("SELECT pem FROM trusted_key WHERE id = ?", (key_id,)):
        return str(row["pem"])
    raise FieldhandError(
        Kind.LICENSE,
        reason=f"it is signed with key {key_id}, which is not trusted here: 'fieldhand license trust' accepts a key",
    )


async def add_license(tx: Transaction, terms: licensing.Terms, key_id: str, operator: str) -> None:
    """Use a license that was verified; raises LICENSE when it is in use already."""
    try:
        await tx.db.execute(
            "INSERT INTO license (id, devices, site, issued, expires, key, added_at, added_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                terms.id,
                terms.devices,
                terms.site,
                terms.issued.timestamp(),
                terms.expires.timestamp() if terms.expires else None,
                key_id,
                tx.now,
                operator,
            ),
        )
    except sqlite3.IntegrityError as error:
        raise FieldhandError(Kind.LICENSE, reason=f"license {terms.id} is added already") from error
    await reseat(tx)


async def reseat(tx: Transaction) -> None:
    """Give the seats to the devices in order of creation; the rest waits. For whatever changes either."""
    seats = await views.seats(tx.db, tx.now)
    rows = await tx.db.execute_fetchall("SELECT id FROM device ORDER BY id LIMIT ?", (seats.capacity,))
    last = max((row["id"] for row in rows), default=-1)
    await tx.db.execute(
        "UPDATE device SET licensed = id <= ?, rev = ? WHERE licensed <> (id <= ?)", (last, tx.rev, last)
    )


async def next_expiry(tx: Transaction) -> float | None:
    """When the next license ends."""
    row = await _row(tx, "SELECT min(expires) AS at FROM license WHERE expires > ?", tx.now)
    return None if row["at"] is None else float(row["at"])


async def edit_site(tx: Transaction, changed: Callable[[Site], Site]) -> None:
    """Change what is said of the site; raises IN_USE when devices hold addresses in the present domain."""
    site = await views.site(tx.db)
    after = changed(site)
    if after.domain != site.domain:
        row = await _row(tx, "SELECT count(*) AS given FROM device WHERE address_key IS NOT NULL", None)
        if row["given"]:
            raise FieldhandError(
                Kind.IN_USE,
                what="domain",
                name=site.domain,
                reason=f"{row['given']} devices hold addresses in it; deprovision them first",
            )
    await tx.db.execute(
        "UPDATE site SET name = ?, domain = ?, mode = ?, without = ?, pausing = ?, pause_above = ?, poll_seconds = ?",
        (
            after.name,
            after.domain,
            after.mode.value,
            json.dumps(after.without),
            after.pausing.value,
            after.pause_above,
            after.poll_seconds,
        ),
    )
    await reseat(tx)  # licenses may be for a site of that name


async def uid_is_free(tx: Transaction, uid: str) -> None:
    """Raises DUPLICATE_UID when a device has it, or is about to get it by being replaced."""
    rows = await tx.db.execute_fetchall(
        "SELECT name FROM device WHERE uid = ? UNION ALL SELECT t.name FROM task t JOIN job j ON j.id = t.job_id"
        " WHERE j.action = 'replace' AND t.state IN ('queued', 'running') AND json_extract(j.parameters, '$.uid') = ?",
        (uid, uid),
    )
    for row in rows:
        raise FieldhandError(Kind.DUPLICATE_UID, uid=uid, device=row["name"])


async def _unique(tx: Transaction, what: str, name: str, statement: str, values: tuple[object, ...]) -> int:
    try:
        cursor = await tx.db.execute(statement, values)
    except sqlite3.IntegrityError as error:
        if not str(error).endswith(".name"):  # "UNIQUE constraint failed: device.name"
            raise
        raise FieldhandError(Kind.DUPLICATE_NAME, what=what, name=name) from error
    return cursor.lastrowid or 0


async def _row(tx: Transaction, query: str, value: object) -> sqlite3.Row:
    rows = await tx.db.execute_fetchall(query, () if value is None else (value,))
    return next(iter(rows))
