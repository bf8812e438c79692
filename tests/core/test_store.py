"""The store: brought to this version or left alone, and never a promise that is not on the disk."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from core import licensing
from core.errors import FieldhandError, Kind
from core.models import Device, PortState
from core.store import database, inventory, views
from core.store.database import Transaction, Writer, open_reader, open_writer
from core.store.inventory import DeviceChanges, NewDevice
from drivers.base import AddressScope, Found, NetworkState
from tests.core.fake_driver import address


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fieldhand.sqlite"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[Writer]:
    writer = await open_writer(path, lambda _: None)
    yield writer
    await writer.close()


async def pragma(tx: Transaction, name: str) -> object:
    return next(iter(await tx.db.execute_fetchall(f"PRAGMA {name}")))[0]


async def group_names(writer: Writer) -> list[str]:
    return [group.name for group in await writer.run(lambda tx: views.groups(tx.db))]


MINUTES = b"the minutes of the last meeting\n" * 100


def contents(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, contents: bytes) -> None:
    path.write_bytes(contents)


# ---- opening


async def test_an_empty_file_is_brought_to_this_version(writer: Writer) -> None:
    assert await writer.run(lambda tx: pragma(tx, "user_version")) == len(database.migrations())
    site = await writer.run(lambda tx: views.site(tx.db))
    assert site.name
    assert len(bytes.fromhex(site.domain)) == 3


async def test_a_store_that_is_opened_again_is_the_same_store(path: Path) -> None:
    first = await open_writer(path, lambda _: None)
    await first.run(lambda tx: inventory.add_group(tx, "roof"))
    site = await first.run(lambda tx: views.site(tx.db))
    await first.close()
    second = await open_writer(path, lambda _: None)
    assert await group_names(second) == ["roof"]
    assert await second.run(lambda tx: views.site(tx.db)) == site
    await second.close()


async def test_a_newer_store_is_refused_and_nothing_of_it_changed(path: Path) -> None:
    await (await open_writer(path, lambda _: None)).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(database.migrations()) + 1}")
    db.close()
    before = contents(path)
    for opening in (open_writer(path, lambda _: None), open_reader(path)):
        with pytest.raises(FieldhandError) as refused:
            await opening
        assert refused.value.kind is Kind.NEWER_DATABASE
    assert contents(path) == before


async def test_a_migration_that_fails_leaves_everything_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await open_writer(path, lambda _: None)
    await first.run(lambda tx: inventory.add_group(tx, "roof"))
    await first.close()
    before = contents(path)
    scripts = [*database.migrations(), "CREATE TABLE extra (id INTEGER);\nCREATE TABLE extra (id INTEGER);\n"]
    with monkeypatch.context() as patch:
        patch.setattr(database, "migrations", lambda: scripts)
        with pytest.raises(FieldhandError) as refused:
            await open_writer(path, lambda _: None)
        assert refused.value.kind is Kind.DATABASE
    assert contents(path) == before
    again = await open_writer(path, lambda _: None)
    assert await group_names(again) == ["roof"]
    await again.close()


async def test_a_later_migration_is_applied_to_what_is_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await open_writer(path, lambda _: None)
    await first.run(lambda tx: inventory.add_group(tx, "roof"))
    await first.close()
    scripts = [*database.migrations(), "CREATE TABLE extra (id INTEGER);\n"]
    monkeypatch.setattr(database, "migrations", lambda: scripts)
    with pytest.raises(FieldhandError, match="older fieldhand"):
        await open_reader(path)
    second = await open_writer(path, lambda _: None)
    assert await second.run(lambda tx: pragma(tx, "user_version")) == len(scripts)
    assert await group_names(second) == ["roof"]
    await second.close()


async def test_a_file_that_is_no_store_is_refused_and_left_alone(path: Path) -> None:
    write(path, MINUTES)
    for opening in (open_writer(path, lambda _: None), open_reader(path)):
        with pytest.raises(FieldhandError) as refused:
            await opening
        assert refused.value.kind is Kind.DATABASE
    assert contents(path) == MINUTES


async def test_a_store_that_cannot_be_opened_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    for opening in (open_writer(tmp_path, lambda _: None), open_reader(tmp_path / "none")):
        with pytest.raises(FieldhandError) as refused:
            await opening
        assert refused.value.kind is Kind.DATABASE
    for thread in threading.enumerate()[before:]:
        thread.join()


async def test_what_was_promised_survives_a_power_cut(writer: Writer) -> None:
    assert await writer.run(lambda tx: pragma(tx, "journal_mode")) == "wal"
    assert await writer.run(lambda tx: pragma(tx, "synchronous")) == 2  # FULL
    assert await writer.run(lambda tx: pragma(tx, "foreign_keys")) == 1


async def test_a_reader_cannot_write(writer: Writer, path: Path) -> None:
    reader = await open_reader(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await reader.execute("DELETE FROM site")
    await reader.close()


# ---- the one writer


async def test_what_waits_together_is_committed_together(path: Path) -> None:
    revisions: list[int] = []
    writer = await open_writer(path, revisions.append)
    await asyncio.gather(*(writer.run(partial(inventory.add_group, name=f"group {n}")) for n in range(100)))
    assert revisions == [1]
    assert len(await group_names(writer)) == 100
    await writer.close()


async def test_one_mutation_that_fails_does_not_take_its_batch_with_it(writer: Writer) -> None:
    async def half(tx: Transaction) -> None:
        await inventory.add_group(tx, "half done")
        raise RuntimeError("on purpose")

    outcomes = await asyncio.gather(
        writer.run(lambda tx: inventory.add_group(tx, "before")),
        writer.run(half),
        writer.run(lambda tx: inventory.add_group(tx, "before")),
        writer.run(lambda tx: inventory.add_group(tx, "behind")),
        return_exceptions=True,
    )
    assert outcomes[0] is None
    assert isinstance(outcomes[1], RuntimeError)
    assert isinstance(outcomes[2], FieldhandError)
    assert outcomes[2].kind is Kind.DUPLICATE_NAME
    assert outcomes[3] is None
    assert await group_names(writer) == ["before", "behind"]


async def test_a_caller_that_was_cancelled_holds_up_nobody(writer: Writer) -> None:
    leaving = asyncio.create_task(writer.run(lambda tx: inventory.add_group(tx, "left")))
    await asyncio.sleep(0)
    leaving.cancel()
    await writer.run(lambda tx: inventory.add_group(tx, "stayed"))
    assert leaving.cancelled()
    assert "stayed" in await group_names(writer)


async def test_reading_makes_no_revision(path: Path) -> None:
    revisions: list[int] = []
    writer = await open_writer(path, revisions.append)
    await writer.run(lambda tx: views.devices(tx.db))
    assert revisions == []
    await writer.run(lambda tx: inventory.add_group(tx, "roof"))
    assert revisions == [await writer.run(lambda tx: views.revision(tx.db))]
    await writer.close()


class Stuck(Exception):
    """Something nobody thought of."""


@pytest.mark.parametrize("problem", [sqlite3.OperationalError("disk I/O error"), Stuck()], ids=repr)
async def test_a_commit_that_fails_is_everybodys_error_and_the_end_of_the_work(
    path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    failures: list[FieldhandError] = []
    writer = await open_writer(path, lambda _: None, failures.append)
    execute = aiosqlite.Connection.execute

    def failing(db: aiosqlite.Connection, sql: str, *values: Any) -> Any:
        if sql == "COMMIT":
            raise problem
        return execute(db, sql, *values)

    monkeypatch.setattr(aiosqlite.Connection, "execute", failing)
    outcomes = await asyncio.gather(
        *(writer.run(partial(inventory.add_group, name=f"group {n}")) for n in range(3)), return_exceptions=True
    )
    assert [outcome.kind for outcome in outcomes if isinstance(outcome, FieldhandError)] == [Kind.DATABASE] * 3
    with pytest.raises(FieldhandError) as refused:
        await writer.run(lambda tx: inventory.add_group(tx, "late"))
    assert refused.value.kind is Kind.DATABASE
    assert failures == [refused.value]

    monkeypatch.undo()
    await writer.close()  # neither hangs nor fails
    again = await open_writer(path, lambda _: None)
    assert await group_names(again) == []
    await again.close()


async def test_a_closed_writer_refuses_instead_of_letting_people_wait(path: Path) -> None:
    writer = await open_writer(path, lambda _: None)
    await writer.close()
    with pytest.raises(FieldhandError) as refused:
        await writer.run(lambda tx: views.site(tx.db))
    assert refused.value.kind is Kind.NO_WORKER


async def test_closing_finishes_what_is_queued(path: Path) -> None:
    writer = await open_writer(path, lambda _: None)
    adding = [asyncio.create_task(writer.run(partial(inventory.add_group, name=f"group {n}"))) for n in range(1000)]
    await asyncio.sleep(0)
    await writer.close()
    await asyncio.gather(*adding)


# ---- seats


async def add(writer: Writer, *names: str) -> None:
    if not await writer.run(lambda tx: views.ports(tx.db)):
        await writer.run(lambda tx: inventory.add_port(tx, "FT", "fake://FT", "fake"))
    new = [NewDevice(name=name, uid=name.upper(), protocol="fake", port=1) for name in names]
    await writer.run(lambda tx: inventory.add_devices(tx, new))


async def license_for(writer: Writer, devices: int, expires: float | None = None, site: str | None = None) -> None:
    terms = licensing.Terms(
        id=f"for-{devices}",
        devices=devices,
        site=site,
        issued=datetime(2026, 1, 1, tzinfo=UTC),
        expires=None if expires is None else datetime.fromtimestamp(expires, UTC),
    )
    await writer.run(lambda tx: inventory.trust_key(tx, "key", "pem", "olga"))
    await writer.run(lambda tx: inventory.add_license(tx, terms, "key", "olga"))


async def seated(writer: Writer) -> list[str]:
    return [device.name for device in await writer.run(lambda tx: views.devices(tx.db)) if device.licensed]


async def test_seats_are_taken_in_order_of_creation_and_the_rest_waits(writer: Writer) -> None:
    await license_for(writer, 2)
    await add(writer, "first", "second", "third", "fourth")
    assert await seated(writer) == ["first", "second"]
    seats = await writer.run(lambda tx: views.seats(tx.db, tx.now))
    assert (seats.capacity, seats.used, seats.waiting, seats.free) == (2, 2, 2, 0)


async def test_adding_capacity_seats_those_who_wait(writer: Writer) -> None:
    await add(writer, "first", "second", "third")
    assert await seated(writer) == []
    await license_for(writer, 2)
    assert await seated(writer) == ["first", "second"]
    await license_for(writer, 1)
    assert await seated(writer) == ["first", "second", "third"]


async def test_the_end_of_a_license_takes_its_seats_away(writer: Writer) -> None:
    now = round(await writer.run(_clock)) + 1000.0
    await license_for(writer, 1)
    await license_for(writer, 2, expires=now)
    await add(writer, "first", "second", "third")
    assert await seated(writer) == ["first", "second", "third"]
    assert await writer.run(inventory.next_expiry) == pytest.approx(now)

    await writer.run(lambda tx: inventory.reseat(Transaction(tx.db, tx.rev, now)))

    assert await seated(writer) == ["first"]


async def _clock(tx: Transaction) -> float:
    return tx.now


async def test_a_license_for_a_site_counts_only_while_the_site_is_called_so(writer: Writer) -> None:
    await writer.run(lambda tx: inventory.edit_site(tx, lambda site: replace(site, name="plant")))
    await license_for(writer, 1, site="plant")
    await add(writer, "first")
    assert await seated(writer) == ["first"]
    await writer.run(lambda tx: inventory.edit_site(tx, lambda site: replace(site, name="harbour")))
    assert await seated(writer) == []


async def test_the_same_license_does_not_count_twice(writer: Writer) -> None:
    await license_for(writer, 1)
    with pytest.raises(FieldhandError, match="added already"):
        await license_for(writer, 1)


# ---- what is there


async def test_a_view_gives_what_changed_after_a_revision(writer: Writer) -> None:
    await license_for(writer, 3)
    await add(writer, "first", "second", "third")
    known = await writer.run(lambda tx: views.revision(tx.db))
    assert await writer.run(lambda tx: views.devices(tx.db, known)) == []
    await writer.run(lambda tx: inventory.edit_device(tx, 2, DeviceChanges(name="renamed")))
    changed = await writer.run(lambda tx: views.devices(tx.db, known))
    assert [(device.id, device.name) for device in changed] == [(2, "renamed")]
    assert changed[0].rev == await writer.run(lambda tx: views.revision(tx.db))


async def test_a_device_changes_with_its_group(writer: Writer) -> None:
    await add(writer, "first", "second")
    await writer.run(lambda tx: inventory.add_group(tx, "roof"))
    changes: list[Callable[[Transaction], Awaitable[None]]] = [
        partial(inventory.assign_group, devices=[1], group="roof"),
        partial(inventory.rename_group, group="roof", name="attic"),
        partial(inventory.remove_group, group="attic"),
    ]
    seen_in = []
    for change in changes:
        known = await writer.run(lambda tx: views.revision(tx.db))
        await writer.run(change)
        seen_in += [(one.id, one.group) for one in await devices_since(writer, known)]
    assert seen_in == [(1, "roof"), (1, "attic"), (1, None)]


async def devices_since(writer: Writer, known: int) -> list[Device]:
    return await writer.run(lambda tx: views.devices(tx.db, known))


async def test_names_and_uids_are_taken_once(writer: Writer) -> None:
    await add(writer, "first", "second")
    for name, uid, kind in (("first", "NEW", Kind.DUPLICATE_NAME), ("new", "FIRST", Kind.DUPLICATE_UID)):
        new = NewDevice(name=name, uid=uid, protocol="fake", port=1)
        with pytest.raises(FieldhandError) as refused:
            await writer.run(partial(inventory.add_devices, devices=[new]))
        assert refused.value.kind is kind
        with pytest.raises(FieldhandError) as refused:
            new_uid = None if uid == "NEW" else uid
            await writer.run(partial(inventory.edit_device, device=2, changes=DeviceChanges(name=name, uid=new_uid)))
        assert refused.value.kind is kind


async def test_a_missing_port_is_not_mistaken_for_a_name_that_is_taken(writer: Writer) -> None:
    new = NewDevice(name="lost", uid="LOST", protocol="fake", port=99)
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await writer.run(lambda tx: inventory.add_devices(tx, [new]))


async def test_devices_are_made_all_or_none(writer: Writer) -> None:
    with pytest.raises(FieldhandError):
        await add(writer, "first", "second", "first")
    assert await writer.run(lambda tx: views.devices(tx.db)) == []


async def test_a_port_with_devices_is_not_forgotten(writer: Writer) -> None:
    await add(writer, "first")
    with pytest.raises(FieldhandError) as refused:
        await writer.run(lambda tx: inventory.remove_port(tx, "FT"))
    assert refused.value.kind is Kind.IN_USE


async def test_no_worker_has_a_port_open_after_all_were_closed(writer: Writer) -> None:
    await add(writer, "first")
    await writer.run(inventory.close_ports)
    assert (await writer.run(lambda tx: views.port(tx.db, "FT"))).state is PortState.CLOSED


async def test_the_domain_stays_while_devices_hold_addresses_in_it(writer: Writer) -> None:
    await add(writer, "first")
    await writer.run(lambda tx: inventory.edit_site(tx, lambda site: replace(site, domain="55")))
    await writer.run(lambda tx: inventory.set_address(tx, 1, address(1), AddressScope.SITE))
    with pytest.raises(FieldhandError) as refused:
        await writer.run(lambda tx: inventory.edit_site(tx, lambda site: replace(site, domain="AA")))
    assert refused.value.kind is Kind.IN_USE
    await writer.run(lambda tx: inventory.edit_site(tx, lambda site: replace(site, name="plant", domain="55")))


# ---- what a search saw


def seen(number: int | None, uid: str = "FIRST") -> Found:
    return Found(uid, state=NetworkState.PROVISIONED, address=None if number is None else address(number))


@pytest.fixture
async def ours(writer: Writer) -> Writer:
    """A device that this site gave address 1."""
    await add(writer, "first")

    async def provisioned(tx: Transaction) -> None:
        await inventory.set_address(tx, 1, address(1), AddressScope.SITE)
        await tx.db.execute("UPDATE device SET state = 'provisioned', ours = 1")

    await writer.run(provisioned)
    return writer


async def observed(writer: Writer, found: Found) -> tuple[bool, bool, str]:
    """Whether it is provisioned, whether it is ours, and its address."""
    await writer.run(lambda tx: inventory.observe_known(tx, [found]))
    (device,) = await writer.run(lambda tx: views.devices(tx.db))
    return (
        device.state is NetworkState.PROVISIONED,
        device.ours,
        device.address.text if device.address else "",
    )


async def test_a_device_with_the_address_this_site_gave_it_is_ours(ours: Writer) -> None:
    assert await observed(ours, seen(1)) == (True, True, "#1")


async def test_a_device_with_another_address_was_provisioned_elsewhere(ours: Writer) -> None:
    assert await observed(ours, seen(7)) == (True, False, "#7")


async def test_a_device_that_did_not_tell_its_address_stays_ours(ours: Writer) -> None:
    assert await observed(ours, seen(None)) == (True, True, "#1")


async def test_a_device_that_lost_its_configuration_keeps_its_address_for_the_next_time(ours: Writer) -> None:
    assert await observed(ours, Found("FIRST")) == (False, False, "")
    assert await observed(ours, seen(1)) == (True, True, "#1")
