"""Changes that monitoring makes: what a poll told, who was seen, what is paused. Each function is one mutation."""

from __future__ import annotations

from collections.abc import Mapping

from core.models import Device, Health
from core.store import inventory, views
from core.store.database import Transaction
from drivers.base import Facts, Found


async def polled(tx: Transaction, asked: Device, health: Health, facts: Facts | None) -> Device | None:
    """Take over what a poll told of a device (None: it did not answer): the device as it is then.

    `asked` is the device as it was when it was asked. None where its row has changed since, for instance because a
    job has it, or it is gone: then what the poll saw may be of another time, and the next one tells.
    """
    same = "SELECT 1 FROM device WHERE id = ? AND rev = ?"
    if not list(await tx.db.execute_fetchall(same, (asked.id, asked.rev))):
        return None
    if facts is not None:
        await inventory.observe(tx, asked.id, _as_found(asked, facts))
        await tx.db.execute(
            "UPDATE device SET marginal = coalesce(?, marginal), model = coalesce(?, model),"
            " firmware = coalesce(?, firmware), seen_at = ? WHERE id = ?",
            (facts.marginal, facts.model, facts.firmware, tx.now, asked.id),
        )
    await tx.db.execute("UPDATE device SET health = ?, rev = ? WHERE id = ?", (health.value, tx.rev, asked.id))
    (after,) = await views.devices_by_id(tx.db, [asked.id])
    return after


def _as_found(device: Device, facts: Facts) -> Found:
    """The facts as a search would have told them; what was not looked at is as it was."""
    return Found(
        uid=device.uid,
        program_id=facts.program_id,
        state=facts.state or device.state,
        address=facts.address,
        application=device.application if facts.application is None else facts.application,
    )


async def seen(tx: Transaction, times: Mapping[int, float]) -> None:
    """When these devices were seen last."""
    await tx.db.executemany(
        "UPDATE device SET seen_at = ?, rev = ? WHERE id = ? AND (seen_at IS NULL OR seen_at < ?)",
        [(at, tx.rev, device, at) for device, at in times.items()],
    )


async def pause(tx: Transaction, port: str | None, paused: bool) -> None:
    """Pause or resume a port by hand, or all of them; raises UNKNOWN_PORT."""
    if port is not None:
        await views.port(tx.db, port)
    await tx.db.execute(
        "UPDATE port SET paused = ?, rev = ? WHERE paused <> ? AND (? IS NULL OR name = ?)",
        (paused, tx.rev, paused, port, port),
    )
