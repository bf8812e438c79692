"""A driver without a wire: devices that do as a test tells them, and a world that remembers what was done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from core.errors import FieldhandError, Kind
from drivers.base import (
    Address,
    AddressScope,
    Candidate,
    Capability,
    Checkpoint,
    Driver,
    DriverError,
    Estimate,
    Facts,
    Found,
    Image,
    ImageFacts,
    NetworkState,
    PortError,
    Priority,
    Progress,
    Reading,
    Report,
    SiteSettings,
    Snapshot,
    Step,
    StepClass,
    StepEvent,
    Target,
)

Hook = Callable[[], Awaitable[None]]


@dataclass
class FakeDevice:
    """What a device does when it is worked on. `hooks` run in the middle of the step of that name."""

    uid: str
    fail_at: str | None = None
    moves_to: str | None = None
    """The UID it has after it was provisioned, where that follows from its address."""
    documentation: str = ""
    hooks: dict[str, Hook] = field(default_factory=dict)
    address: Address | None = None
    done: list[str] = field(default_factory=list)
    """The steps that were done, in order, over all attempts."""
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a step of it hangs."""
    release: asyncio.Event | None = None
    """Steps named `hang_at` hang until it is set."""
    hang_at: str = "write"
    answers: list[Facts | Reading] = field(default_factory=lambda: [Facts(state=NetworkState.PROVISIONED)])
    """To a poll."""
    targets: list[Target] = field(default_factory=list)
    """As what it was worked on, attempt by attempt."""
    loads: list[tuple[str, bool]] = field(default_factory=list)
    """Name and `force` of the images that were to be loaded, attempt by attempt."""
    configuration: list[int] = field(default_factory=list)

    def hang(self, step: str = "write") -> None:
        self.hang_at, self.release = step, asyncio.Event()
        self.entered.clear()

    def let_go(self) -> None:
        assert self.release is not None
        self.release.set()
        self.release = None


class World:
    """Everything behind all fake ports."""

    def __init__(self) -> None:
        self.devices: dict[str, FakeDevice] = {}
        self.opened: list[FakeDriver] = []
        self.absent: Exception | None = None
        """Why ports cannot be opened just now."""
        self.refusals: dict[str, Exception] = {}
        """Why ports of these URLs cannot be opened."""
        self.opening: asyncio.Event | None = None
        """Opening a port hangs until it is set."""
        self.found: list[Found] = []
        self.candidates: tuple[Candidate, ...] = ()
        """Where ports may be."""
        self.order: list[str] = []
        """UIDs in the order in which work on them began."""
        self.room = 200
        """How many addresses a site has."""
        self.polls: asyncio.Queue[str] = asyncio.Queue()
        """UIDs in the order in which they were polled."""

    def device(self, uid: str) -> FakeDevice:
        return self.devices.setdefault(uid, FakeDevice(uid))

    @property
    def port(self) -> FakeDriver:
        """The driver that was opened last."""
        return self.opened[-1]


def address(number: int) -> Address:
    return Address(f"#{number}", {"number": number})


RECORD: int = 100
"""Bytes of a record of an image."""


def image(records: int = 4, **facts: str | int) -> bytes:
    """An image file: what it says of itself (program_id, model, firmware, opaque) and so many records."""
    return b"fake " + json.dumps({"records": records, **facts}).encode()


class FakeDriver(Driver):
    """See the module. `world` is set by the fixture of the same name."""

    protocol: ClassVar[str] = "fake"
    other_tools: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability) - {Capability.POLL, Capability.REPORTS}
    """Without monitoring, which would stir up the quiet that most tests need."""
    address_scope: ClassVar[AddressScope] = AddressScope.SITE
    world: ClassVar[World]

    def __init__(self, url: str, site: SiteSettings) -> None:
        self.url = url
        self.site = site
        self.closed = False
        self.presses: asyncio.Queue[Found | Exception] = asyncio.Queue()
        self.spoken: asyncio.Queue[Report] = asyncio.Queue()
        self._lost: asyncio.Future[PortError] = asyncio.get_running_loop().create_future()
        self._gone = asyncio.Event()

    @classmethod
    def parse_uid(cls, text: str) -> str:
        uid = text.strip().upper()
        if not uid.isalnum():
            raise FieldhandError(Kind.INVALID_UID, uid=text, protocol="fake", reason="letters and digits")
        return uid

    @classmethod
    def addresses(cls, site: SiteSettings) -> Iterator[Address]:
        return (address(number) for number in range(1, cls.world.room + 1))

    @classmethod
    def at_once(cls, capability: Capability) -> int:
        return 2

    @classmethod
    def check_url(cls, url: str) -> str:
        return url.rstrip("/")

    @classmethod
    def candidates(cls) -> tuple[Candidate, ...]:
        return cls.world.candidates

    @classmethod
    def urls(cls, path: str) -> tuple[tuple[str, str], ...]:
        return (("Fake, fast", f"fake://{path}"), ("Fake, slow", f"fake://{path}?slow=1"))

    @classmethod
    def estimate(cls, capability: Capability, url: str, image: ImageFacts | None = None, size: int = 0) -> Estimate:
        return Estimate(2.0 + size / 1000)

    @classmethod
    def read_image(cls, image: Image) -> ImageFacts:
        said = _said(image)
        return ImageFacts(
            type="fake",
            program_id=said.get("program_id"),
            model=said.get("model"),
            firmware=said.get("firmware"),
            opaque=bool(said.get("opaque")),
        )

    @classmethod
    def by_hand(cls, program_id: str | None, site: SiteSettings) -> tuple[str, ...]:
        return ("Press the button.", "Wait for the light.") if program_id == "IOX" else ()

    @classmethod
    async def open(cls, url: str, site: SiteSettings) -> Self:
        if cls.world.opening is not None:
            await cls.world.opening.wait()
        refusal = cls.world.absent or cls.world.refusals.get(url)
        if refusal is not None:
            raise refusal
        driver = cls(url, site)
        cls.world.opened.append(driver)
        return driver

    async def close(self) -> None:
        self.closed = True
        self._gone.set()

    async def wait_lost(self) -> PortError:
        return await asyncio.shield(self._lost)

    def unplug(self) -> None:
        """The cable is pulled."""
        self._gone.set()
        self._lost.set_result(PortError(Kind.PORT_LOST, port=self.url, reason="unplugged"))

    def break_down(self) -> None:
        """The driver itself is at fault."""
        self._lost.set_exception(RuntimeError("a fault in the driver"))

    def frames(self, uid: str) -> list[str]:
        return [f"-> {uid} hello", f"<- {uid} go away"]

    async def discover(self) -> AsyncGenerator[Found | Progress, None]:
        yield Progress(1, 2, "asking")
        for found in self.world.found:
            yield found

    async def service_pins(self) -> AsyncGenerator[Found, None]:
        while True:
            press = await self.presses.get()
            if isinstance(press, Exception):
                raise press
            yield press

    async def reports(self) -> AsyncGenerator[Report, None]:
        while True:
            yield await self.spoken.get()

    async def poll(self, target: Target, *, priority: Priority) -> AsyncGenerator[StepEvent, None]:
        assert priority is Priority.MONITORING
        device = self.world.device(target.uid)
        self.world.polls.put_nowait(target.uid)
        yield Step("poll", StepClass.READ)
        await self._do(device, "poll")
        for answer in device.answers:
            yield answer

    async def provision(self, target: Target, *, priority: Priority) -> AsyncGenerator[StepEvent, None]:
        device = self._begin(target)
        yield Step("identify", StepClass.READ)
        await self._do(device, "identify")
        yield Progress(1, 2, "tries")
        yield Step("write", StepClass.IDEMPOTENT)
        await self._do(device, "write")
        device.address = target.address
        yield Step("verify", StepClass.READ)
        await self._do(device, "verify")
        yield Facts(state=NetworkState.PROVISIONED, application=True, marginal="", note="verified", uid=device.moves_to)

    async def deprovision(self, target: Target, *, priority: Priority) -> AsyncGenerator[StepEvent, None]:
        device = self._begin(target)
        yield Step("write", StepClass.IDEMPOTENT)
        await self._do(device, "write")
        device.address = None
        yield Facts(state=NetworkState.UNPROVISIONED)

    async def wink(self, target: Target, *, priority: Priority) -> AsyncGenerator[StepEvent, None]:
        device = self._begin(target)
        yield Step("wink", StepClass.IDEMPOTENT)
        await self._do(device, "wink")

    async def test(self, target: Target, *, priority: Priority, count: int) -> AsyncGenerator[StepEvent, None]:
        device = self._begin(target)
        yield Step("ask", StepClass.READ)
        await self._do(device, "ask")
        yield Facts(note=f"{count} of {count} answered")

    async def identify(self, uid: str) -> Found:
        await self._do(self.world.device(uid), "identify")
        return Found(uid, program_id="P1", model=7, firmware=3)

    async def load(
        self, target: Target, *, priority: Priority, image: Image, force: bool
    ) -> AsyncGenerator[StepEvent, None]:
        device = self._begin(target)
        device.loads.append((image.name, force))
        records = _said(image)["records"]
        yield Step("identify", StepClass.READ)
        await self._do(device, "identify")
        yield Facts(application=False)
        await self._do(device, "erased")
        yield Step("write", StepClass.DANGEROUS)
        before = target.checkpoint.data if target.checkpoint else {}
        first = before["record"] if before.get("sha256") == image.sha256 else 0
        for record in range(first, records):
            yield Progress(record * RECORD, records * RECORD, "bytes")
            yield Checkpoint({"sha256": image.sha256, "record": record})
            await self._do(device, f"record {record}")
        yield Step("verify", StepClass.READ)
        await self._do(device, "verify")
        facts = self.read_image(image)
        yield Facts(application=True, program_id=facts.program_id, model=facts.model, firmware=facts.firmware)

    async def snapshot(self, target: Target, *, priority: Priority) -> AsyncGenerator[StepEvent, None]:
        device = self._begin(target)
        yield Step("read", StepClass.READ)
        await self._do(device, "read")
        yield Snapshot(1, {"values": list(device.configuration)})
        await self._do(device, "after")

    async def restore(self, target: Target, *, priority: Priority) -> AsyncGenerator[StepEvent, None]:
        device = self._begin(target)
        yield Step("write", StepClass.IDEMPOTENT)
        await self._restore(device, target)

    async def replace(
        self, target: Target, *, priority: Priority, uid: str, force: bool
    ) -> AsyncGenerator[StepEvent, None]:
        self._begin(target)
        unit = self.world.device(uid)
        yield Step("identify", StepClass.READ)
        await self._do(unit, "identify")
        yield Facts(program_id="P2")
        yield Step("write", StepClass.IDEMPOTENT)
        await self._restore(unit, target)
        yield Facts(uid=uid, model=8, firmware=5, state=NetworkState.PROVISIONED, application=True, note="replaced")

    async def _restore(self, device: FakeDevice, target: Target) -> None:
        await self._do(device, "write")
        if target.snapshot is not None:
            device.configuration = list(target.snapshot.document["values"])

    def _begin(self, target: Target) -> FakeDevice:
        self.world.order.append(target.uid)
        device = self.world.device(target.uid)
        device.targets.append(target)
        return device

    async def _do(self, device: FakeDevice, step: str) -> None:
        if step in device.hooks:
            await device.hooks[step]()
        if device.release is not None and device.hang_at == step:
            release = asyncio.ensure_future(device.release.wait())
            gone = asyncio.ensure_future(self._gone.wait())
            device.entered.set()
            await asyncio.wait([release, gone], return_when=asyncio.FIRST_COMPLETED)
            release.cancel()
            gone.cancel()
        if self._gone.is_set():
            raise PortError(Kind.PORT_LOST, port=self.url, reason="unplugged")
        if device.fail_at == step:
            raise DriverError(Kind.NO_REPLY, step=step, attempts=3)
        device.done.append(step)


def _said(image: Image) -> dict[str, Any]:
    kind, _, content = image.data.partition(b" ")
    if kind != b"fake":
        raise FieldhandError(Kind.IMAGE, image=image.name, reason="it does not begin with 'fake'")
    said: dict[str, Any] = json.loads(content)
    return said
