"""The LON driver: what can be asked of it, and which part of the package does it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import lru_cache
from typing import ClassVar, Final, Self

from core.errors import FieldhandError, Kind
from drivers.base import (
    Address,
    Candidate,
    Capability,
    Driver,
    DriverError,
    Estimate,
    Facts,
    Found,
    Image,
    ImageFacts,
    PortError,
    Priority,
    Progress,
    Report,
    SiteSettings,
    Step,
    StepClass,
    StepEvent,
    Target,
)
from drivers.lon import (
    asking,
    commissioning,
    discovery,
    estimates,
    images,
    loading,
    names,
    replacing,
    restoring,
    update,
)
from drivers.lon.dialogue import Dialogue, at
from drivers.lon.interface import NetworkInterface
from drivers.lon.kinds import BY_HAND, of_kind
from drivers.lon.listening import Listening
from drivers.lon.management import Wink
from drivers.lon.packets import SubnetNode
from drivers.lon.port import FAMILIES, PortUrl
from drivers.lon.transactions import WINDOW_MOST, Transactions
from drivers.serial_ports import serial_ports
from drivers.transport import open_serial

SUBNETS: Final = range(1, 256)
NODES: Final = range(1, 126)
"""126 and 127 are used by interfaces and tools (LON Stack DX)."""

LOADS_AT_ONCE: Final = 256
"""Devices that get their image by Image Update share one transfer, so all of them should be there when it begins. How
many are loaded record by record at a time is limited in `loading`."""

IMAGES_KEPT: Final = 2
"""Images that need not be read again for each device of a job."""

POLLS_PER_SECOND: Final = 25.0
"""Polling takes about a fifth of a TP/FT-10 channel then and leaves the rest to the devices' own traffic."""


class LonDriver(Driver):
    """A LON channel behind one network interface."""

    protocol: ClassVar[str] = "lon"
    other_tools: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.DISCOVER,
            Capability.SERVICE_PIN,
            Capability.PROVISION,
            Capability.DEPROVISION,
            Capability.REPROVISION,
            Capability.TEST,
            Capability.WINK,
            Capability.RESET,
            Capability.LOAD,
            Capability.REPLACE,
            Capability.SNAPSHOT,
            Capability.RESTORE,
            Capability.IDENTIFY,
            Capability.POLL,
            Capability.REPORTS,
        }
    )
    polls_per_second: ClassVar[float] = POLLS_PER_SECOND

    def __init__(self, interface: NetworkInterface, site: SiteSettings) -> None:
        self._interface = interface
        self._site = site
        self._transactions = Transactions(interface, SubnetNode(site.subnet, site.node))
        self._listening = Listening(interface, self._transactions)
        self._image = lru_cache(IMAGES_KEPT)(images.read)
        self._reading_image = asyncio.Lock()
        self._standing_still = asyncio.Semaphore(loading.STANDING_STILL)
        self._transfers = update.Transfers(self._transactions, site.domain)

    # -- what can be said without a port -------------------------------------------------------------

    @classmethod
    def parse_uid(cls, text: str) -> str:
        """A Neuron ID: 12 hexadecimal digits, upper case."""
        return names.parse_uid(text)

    @classmethod
    def addresses(cls, site: SiteSettings) -> Iterator[Address]:
        """Subnet by subnet, nodes 1 to 125, without the console's own place."""
        for subnet in SUBNETS:
            for node in NODES:
                if (subnet, node) != (site.subnet, site.node):
                    yield names.address_of(site.domain, subnet, node)

    @classmethod
    def at_once(cls, capability: Capability) -> int:
        """Twice the window: while some devices program their memory, others have the channel."""
        return LOADS_AT_ONCE if capability is Capability.LOAD else 2 * WINDOW_MOST

    @classmethod
    def read_image(cls, image: Image) -> ImageFacts:
        """Of the types .apb, .ndl, .nx and .nxi; the last two are opaque unless one of the others is inside."""
        try:
            return images.facts_of(image)
        except images.ImageError as error:
            raise FieldhandError(Kind.IMAGE, image=image.name, reason=str(error)) from error

    @classmethod
    def check_url(cls, url: str) -> str:
        """`lon:///dev/ttyACM0`, with `?interface=u61` for the older family and `baud=` for another rate."""
        return str(PortUrl.parse(url))

    @classmethod
    def candidates(cls) -> tuple[Candidate, ...]:
        """The serial ports."""
        return serial_ports()

    @classmethod
    def urls(cls, path: str) -> tuple[tuple[str, str], ...]:
        """Both families of interface."""
        return tuple((family.words, str(PortUrl(path, name))) for name, family in FAMILIES.items())

    @classmethod
    def estimate(cls, capability: Capability, url: str, image: ImageFacts | None = None, size: int = 0) -> Estimate:
        """From the number of exchanges; all channels that are known here are equally fast."""
        return estimates.estimate(capability, image, size)

    @classmethod
    def by_hand(cls, program_id: str | None, site: SiteSettings) -> tuple[str, ...]:
        """Known for modules that plug into a controller; nothing for all other devices."""
        return of_kind(BY_HAND, program_id or "")

    @classmethod
    def check_point(cls, text: str) -> str:
        """A network variable by its index: `nv 3`, or only `3`."""
        return names.variable_of(names.parse_variable(text))

    # -- the port ------------------------------------------------------------------------------------

    @classmethod
    async def open(cls, url: str, site: SiteSettings) -> Self:
        """Open the port and prove that a network interface answers."""
        port = PortUrl.parse(url)
        interface = port.make_interface()
        transport = await open_serial(port.path, interface.baud, interface)
        try:
            await interface.start(transport)
        except BaseException:
            await interface.close()
            await transport.close()
            raise
        return cls(interface, site)

    def proof(self) -> str:
        """Which interface it is that answers."""
        return f"a LON network interface answers, Neuron ID {self._interface.neuron_id.hex().upper()}"

    async def close(self) -> None:
        """Let go of the port; whatever is under way ends."""
        await self._transactions.close()
        await self._interface.close()

    async def wait_lost(self) -> PortError:
        """Return when the interface is gone."""
        return (await asyncio.shield(self._interface.lost)).again()

    def frames(self, uid: str) -> list[str]:
        """The last packets to and from a device, one line each with time, direction, bytes and meaning."""
        return self._transactions.frames(uid)

    # -- finding devices ---------------------------------------------------------------------------

    def discover(self, *, priority: Priority = Priority.JOB) -> AsyncGenerator[Found | Progress, None]:
        """Query loops in the domain of length zero and in the site's own."""
        return discovery.discover(self._transactions, self._site.domain, priority)

    def service_pins(self) -> AsyncGenerator[Found, None]:
        """Each press once, after the device was asked for its state."""
        return self._listening.service_pins()

    def reports(self) -> AsyncGenerator[Report, None]:
        """Updates of network variables that pass on the channel, by selector."""
        return self._listening.reports()

    async def identify(self, uid: str) -> Found:
        """Ask it by its Neuron ID, wherever it is configured."""
        dialogue = Dialogue(self._transactions, self.parse_uid(uid), Priority.INTERACTIVE)
        return await discovery.identify_unknown(dialogue)

    # -- operations --------------------------------------------------------------------------------

    def provision(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Give it its place in the site's domain, bring it online, and prove that it is there.

        A device that works at another place is left alone. Raises WRONG_DEVICE, WRONG_PROGRAM, NO_APPLICATION,
        ELSEWHERE, NEEDS_HAND, VERIFY_FAILED and what every exchange raises.
        """
        return commissioning.provision(self._dialogue(target, priority), target.program_id, take_over=False)

    def reprovision(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Like `provision`, but a device that works at another place is taken from there, its configuration saved."""
        return commissioning.provision(self._dialogue(target, priority), target.program_id, take_over=True)

    def deprovision(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Make it forget its place. Raises WRONG_DEVICE, VERIFY_FAILED and what every exchange raises."""
        return commissioning.deprovision(self._dialogue(target, priority))

    def snapshot(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Read its configuration. What it refuses is left out; raises NO_REPLY."""
        return restoring.snapshot(self._dialogue(target, priority))

    def restore(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Write back what differs from the snapshot: tables, configuration data, properties, but no domain entry.

        Where a device belongs is the business of provisioning and replacing. Raises NO_APPLICATION, WRONG_PROGRAM,
        VERIFY_FAILED, INVALID when there is no snapshot that can be read, and what every exchange raises.
        """
        return restoring.restore(self._dialogue(target, priority), target.snapshot, target.checkpoint)

    def replace(
        self, target: Target, *, uid: str, force: bool = False, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Let a new unit take the place of the device that the target describes, with its address and configuration.

        The old unit gives its configuration and its address away if it still answers; if it does not, the snapshot
        that was kept serves. `force` takes a unit with another program, which does not get the configuration, or one
        that works elsewhere. Raises as `provision`.
        """
        old = self._dialogue(target, priority)
        new = dataclasses.replace(old, uid=self.parse_uid(uid))
        return replacing.replace(old, new, target.program_id, target.snapshot, force=force)

    async def load(
        self, target: Target, *, image: Image, force: bool = False, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Give it the program of an image, record by record; an opaque image goes by the Image Update Protocol.

        It keeps place, configuration and state. `force` also takes an image for another program or an older firmware.
        Raises IMAGE, INCOMPATIBLE, LOAD_FAILED, VERIFY_FAILED and what every exchange raises.
        """
        async with self._reading_image:
            try:
                content = await asyncio.to_thread(self._image, image)
            except images.ImageError as error:
                raise DriverError(Kind.IMAGE, image=image.name, reason=str(error)) from error
        dialogue = self._dialogue(target, priority)
        steps = (
            update.load(dialogue, target, image, self._transfers)
            if content is None
            else loading.load(dialogue, target, content, image.sha256, force=force, gate=self._standing_still)
        )
        async with aclosing(steps):
            async for event in steps:
                yield event

    def test(
        self, target: Target, *, count: int = 1, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Ask for its status so many times. Raises NO_REPLY when it never answers."""
        return asking.test(self._dialogue(target, priority), target.address, count)

    async def wink(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Make it show itself."""
        yield Step("wink", StepClass.READ)
        await self._dialogue(target, priority).ask("wink", Wink())
        yield Facts(note="it winked")

    def reset(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Let it start anew, and prove that it did. Raises VERIFY_FAILED."""
        return asking.reset(self._dialogue(target, priority))

    def poll(self, target: Target, *, priority: Priority = Priority.MONITORING) -> AsyncGenerator[StepEvent, None]:
        """Ask for its status and its points, where it should be."""
        return asking.poll(self._dialogue(target, priority), target.points)

    def _dialogue(self, target: Target, priority: Priority) -> Dialogue:
        place = None if target.address is None else at(target.address)
        return Dialogue(self._transactions, target.uid, priority, place)
