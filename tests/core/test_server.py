"""The worker's socket: whatever comes in, the next client is served; whoever goes, the worker stays."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import rpc
from core.client import Inbox, SocketClient
from core.engine import server, worker
from core.engine.requests import HANDLERS
from core.engine.server import read_request, serving
from core.errors import FieldhandError, Kind
from core.models import TaskState
from core.paths import StateDirectory
from core.rpc import AddGroup, AddPort, CancelJob, Searching, StopWorker, StoreChanged
from core.store import views
from drivers.base import Found
from tests.core.conftest import Site
from tests.core.fake_driver import World


class Line:
    """A client that says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, directory: StateDirectory) -> "Line":
        with directory.socket_address() as address:
            return cls(*await asyncio.open_unix_connection(address))

    def send(self, raw: bytes) -> None:
        self.writer.write(raw + b"\n")

    def ask(self, method: Any, identity: Any = 1, **params: Any) -> None:
        self.send(json.dumps({"jsonrpc": "2.0", "id": identity, "method": method, "params": params}).encode())

    async def answer(self) -> dict[str, Any]:
        """The next answer; notices are passed over."""
        while True:
            message: dict[str, Any] = json.loads(await self.reader.readline())
            if "method" not in message:
                return message

    async def error(self) -> Kind:
        return Kind((await self.answer())["error"]["data"]["kind"])


class Served(Site):
    """A site with its socket open."""

    async def start(self) -> None:
        await super().start()
        await self._running.enter_async_context(serving(self.engine, self.directory))


@pytest.fixture
async def served(directory: StateDirectory, world: World) -> AsyncIterator[Served]:
    site = Served(directory, world)
    await site.start()
    yield site
    await site.stop()


@pytest.fixture
async def line(served: Served) -> AsyncIterator[Line]:
    line = await Line.connect(served.directory)
    yield line
    line.writer.close()


# ---- whatever comes in


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"\x00\xff\xfe\x1b[2J",
        b"null",
        b"[]",
        b"{}",
        b'{"jsonrpc": "1.0", "id": 1, "method": "hello"}',
        b'{"jsonrpc": "2.0", "method": "hello"}',
        b'{"jsonrpc": "2.0", "id": {}, "method": "hello"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "hello", "params": [1]}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "format.disk"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "job.cancel", "params": {"job": "many"}}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "job.cancel", "params": {"job": null}}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "job.cancel", "params": {}}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "group.add", "params": {"name": "x", "colour": "red"}}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "group.add", "params": {"name": "\\ud800"}}',
        b"[" * 100_000,
    ],
    ids=lambda raw: raw[:70].decode("latin-1"),
)
async def test_a_line_that_is_no_request_is_refused_and_the_next_one_answered(line: Line, raw: bytes) -> None:
    line.send(raw)
    assert await line.error() is Kind.INVALID
    line.ask("hello", 2)
    assert (await line.answer())["id"] == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
METHODS = sorted(request.method for request in HANDLERS)
REQUESTS = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": st.integers() | JSON, "method": st.sampled_from(METHODS) | st.text()},
    optional={"params": st.dictionaries(st.sampled_from(["port", "job", "name", "devices", "selection"]), JSON)},
).map(lambda said: json.dumps(said).encode())


@given(st.binary() | JSON.map(lambda said: json.dumps(said).encode()) | REQUESTS)
def test_any_line_is_a_request_or_refused_as_invalid(line: bytes) -> None:
    identity, asked = read_request(line)
    json.dumps(identity)
    if isinstance(asked, FieldhandError):
        assert asked.kind is Kind.INVALID
        assert str(asked).isprintable()
    else:
        assert identity is not None


async def test_a_refusal_is_one_printable_line(line: Line) -> None:
    line.ask("job.cancel", 1, job="\x1b[2J")
    assert (await line.answer())["error"]["message"].isprintable()


async def test_a_number_no_store_can_hold_does_no_harm(line: Line) -> None:
    line.ask("job.cancel", 1, job=10**30)
    assert "error" in await line.answer()
    line.ask("hello", 2)
    assert (await line.answer())["id"] == 2


async def test_a_client_gone_mad_is_hung_up_on_and_the_others_are_served(
    directory: StateDirectory, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LONGEST_LINE", 1000)
    site = Served(directory, world)
    await site.start()
    mad, sane = await Line.connect(directory), await Line.connect(directory)
    mad.send(b"x" * 10_000)
    assert await mad.reader.read() == b""
    sane.ask("hello")
    assert "result" in await sane.answer()
    mad.writer.close()
    sane.writer.close()
    await site.stop()


async def test_an_error_is_the_same_on_both_sides(served: Served) -> None:
    client = await SocketClient.connect(served.directory)
    with pytest.raises(FieldhandError) as remote:
        await client.call(CancelJob(job=99))
    with pytest.raises(FieldhandError) as local:
        await served.client.call(CancelJob(job=99))
    assert (remote.value.kind, remote.value.fields) == (local.value.kind, local.value.fields)
    await client.close()


# ---- whoever goes


async def test_what_a_client_asked_for_is_done_although_it_left(served: Served, line: Line) -> None:
    served.world.opening = asyncio.Event()
    line.ask("port.add", 1, url="fake://FT", name="FT")
    line.ask("hello", 2)
    assert (await line.answer())["id"] == 2  # so that the first one is being done by now
    line.writer.close()
    served.world.opening.set()

    async def there() -> bool:
        return bool(await served.engine.read(views.ports))

    await served.until(there)


async def test_a_client_that_leaves_in_the_middle_of_a_line_is_forgotten(served: Served, line: Line) -> None:
    line.writer.write(b'{"jsonrpc": "2.0", "id": 1, "meth')
    line.writer.close()
    other = await SocketClient.connect(served.directory)
    await other.close()


async def test_clients_that_vanish_leave_nothing_behind(served: Served) -> None:
    before = len(served.engine._listeners)
    lines = [await Line.connect(served.directory) for _ in range(10)]
    for line in lines:
        line.ask("hello")
        await line.answer()
    assert len(served.engine._listeners) == before + 10
    for line in lines:
        line.ask("group.add", 2, name="same")
        line.writer.transport.abort()
    left = 0
    while len(served.engine._listeners) > before:
        await served.client.call(AddGroup(name=f"meanwhile {left}"))
        left += 1


async def test_a_search_ends_with_the_client_that_wanted_it(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    await served.furnish()
    began, ended = asyncio.Event(), asyncio.Event()

    async def search() -> AsyncIterator[Found]:
        try:
            began.set()
            await asyncio.Event().wait()
            yield Found("never")
        finally:
            ended.set()

    monkeypatch.setattr(served.world.port, "discover", search)
    line = await Line.connect(served.directory)
    line.ask("discover", 1, port="FT")
    await began.wait()
    line.writer.close()
    await ended.wait()


# ---- what is told


async def test_two_clients_see_the_same_revisions(served: Served) -> None:
    clients = [await SocketClient.connect(served.directory) for _ in range(2)]
    notices = [client.notices() for client in clients]
    for number in range(20):
        await clients[number % 2].call(AddGroup(name=f"group {number}"))
    last = await served.engine.read(views.revision)
    for each in notices:
        seen: list[int] = []
        while not seen or seen[-1] < last:
            notice = await anext(each)
            assert isinstance(notice, StoreChanged)
            seen.append(notice.rev)
        assert seen == sorted(set(seen))
        assert seen[-1] == last
    for client in clients:
        await client.close()


async def test_a_slow_reader_gets_the_newest_on_each_subject() -> None:
    inbox = Inbox()
    for number in range(1000):
        inbox.put(StoreChanged(rev=number))
        for port in ("FT", "attic"):
            inbox.put(Searching(port=port, found=number, doing="asking"))
    inbox.end()
    assert [notice async for notice in inbox.read()] == [
        StoreChanged(rev=999),
        Searching(port="FT", found=999, doing="asking"),
        Searching(port="attic", found=999, doing="asking"),
    ]


# ---- the worker ends


async def test_stopping_is_answered_before_the_worker_hangs_up(directory: StateDirectory, world: World) -> None:
    site = Served(directory, world)
    await site.start()
    client = await SocketClient.connect(directory)
    notices = client.notices()
    stopping = asyncio.create_task(client.call(StopWorker()))
    await site.engine.ended
    await site.stop()
    await stopping  # would raise NO_WORKER
    async for _ in notices:
        pass
    with pytest.raises(FieldhandError) as gone:
        await client.call(AddGroup(name="late"))
    assert gone.value.kind is Kind.NO_WORKER
    assert [notice async for notice in client.notices()] == []
    assert not directory.socket.exists()
    await client.close()


async def test_whoever_waits_for_an_answer_hears_that_the_worker_ended(directory: StateDirectory, world: World) -> None:
    site = Served(directory, world)
    await site.start()
    world.opening = asyncio.Event()  # never set
    client = await SocketClient.connect(directory)
    asking = asyncio.create_task(client.call(AddPort(url="fake://FT", name="FT")))
    await client.call(AddGroup(name="roof"))
    await site.stop()
    with pytest.raises(FieldhandError) as gone:
        await asking
    assert gone.value.kind is Kind.NO_WORKER
    await client.close()


async def test_work_under_way_stays_open_when_the_worker_is_stopped(directory: StateDirectory, world: World) -> None:
    site = Served(directory, world)
    await site.start()
    (device,) = await site.furnish("A1")
    world.device("A1").hang("write")
    job = await site.start_job("provision", device)
    await site.hangs(world.device("A1"))
    await site.client.call(StopWorker())
    await site.stop()
    db = await views_of(directory)
    assert [task.state for task in await views.tasks(db, job)] == [TaskState.RUNNING]
    await db.close()


async def views_of(directory: StateDirectory) -> Any:
    from core.store.database import open_reader

    return await open_reader(directory.store)


async def test_a_worker_of_another_protocol_is_refused_with_what_to_do(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "PROTOCOL_VERSION", 99)
    with pytest.raises(FieldhandError, match="worker stop"):
        await SocketClient.connect(served.directory)


async def test_without_a_worker_there_is_nobody_to_connect_to(directory: StateDirectory) -> None:
    with pytest.raises(FieldhandError) as refused:
        await SocketClient.connect(directory)
    assert refused.value.kind is Kind.NO_WORKER


# ---- the socket and the lock


async def test_only_the_owner_may_use_the_socket(served: Served) -> None:
    assert stat.S_IMODE(served.directory.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(served.directory.path.stat().st_mode) == 0o700


async def test_making_the_socket_leaves_the_mask_for_other_files_alone(served: Served) -> None:
    mask = os.umask(0o022)
    os.umask(mask)
    assert mask != 0o177


async def test_a_leftover_socket_is_no_obstacle(directory: StateDirectory, world: World) -> None:
    directory.socket.touch()
    site = Served(directory, world)
    await site.start()
    await (await SocketClient.connect(directory)).close()
    await site.stop()


async def test_a_directory_may_lie_deeper_than_a_socket_path_may_be_long(tmp_path: Path, world: World) -> None:
    directory = StateDirectory(tmp_path.joinpath(*["a rather long name for a directory"] * 6))
    assert len(os.fsencode(directory.socket)) > 108
    directory.create()
    site = Served(directory, world)
    await site.start()
    client = await SocketClient.connect(directory)
    await client.call(AddGroup(name="roof"))
    await client.close()
    await site.stop()


def test_a_second_worker_is_refused_with_the_process_of_the_first(directory: StateDirectory) -> None:
    with worker._alone(directory):
        with pytest.raises(FieldhandError) as refused:
            worker.run(directory)
        assert refused.value.kind is Kind.SECOND_WORKER
        assert str(os.getpid()) in str(refused.value)
    with worker._alone(directory):
        pass


def test_a_lock_that_cannot_be_opened_is_refused_with_the_reason(directory: StateDirectory) -> None:
    directory.lock.mkdir()
    with pytest.raises(FieldhandError) as refused:
        worker.run(directory)
    assert refused.value.kind is Kind.STATE_DIRECTORY


def test_a_worker_whose_store_is_of_another_version_ends_with_the_reason(directory: StateDirectory) -> None:
    directory.store.write_bytes(b"no store at all" * 100)
    with pytest.raises(FieldhandError) as refused:
        worker.run(directory)
    assert refused.value.kind is Kind.DATABASE
