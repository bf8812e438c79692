"""One question to one device, in the words of `drivers.base`: typed answer, or a DriverError that says which step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from core.errors import Kind
from drivers.base import Address, DriverError, Facts, NetworkState, Priority
from drivers.lon.management import Data, MemoryMode, ReadMemory, Refused, Request, Response, Status
from drivers.lon.packets import NeuronId, SubnetNode
from drivers.lon.structures import AnswerError, DomainEntry, error_in_words
from drivers.lon.transactions import TRIES, Answer, Exchange, Place, Transactions

R = TypeVar("R", bound=Response)

PROBE_TRIES: Final = 4
"""Of what may get no answer at all: from a device that may be gone, or in a domain that it is just leaving."""

LEFT_OUT: Final = frozenset({Kind.REFUSED, Kind.BAD_FRAME})
"""Failures that concern what was asked for, and not the whole device."""

UNDER_ANY_CONFIGURATION: Final = b""
"""Messages by Neuron ID reach a device in any domain. The one of length zero is hardly anybody's own, so the answer
comes from 0/0."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What is said to one device. `address` is where it is expected to be configured, if anywhere."""

    transactions: Transactions
    uid: str
    priority: Priority
    address: Place | None = None

    @property
    def entry(self) -> DomainEntry | None:
        """What its domain table holds when it is configured there."""
        if self.address is None or not isinstance(self.address.destination, SubnetNode):
            return None
        return DomainEntry(self.address.domain, self.address.destination.subnet, self.address.destination.node)

    async def ask(self, step: str, request: Request[R], *, tries: int = TRIES) -> R:
        """Ask it by its Neuron ID; raises NO_REPLY, REFUSED, BAD_FRAME."""
        return (await self.timed(step, request, by_uid(self.uid), tries=tries))[0]

    async def ask_at_address(self, step: str, request: Request[R], *, tries: int = TRIES) -> R:
        """Ask whoever has its logical address; raises as `ask`."""
        if self.address is None:
            raise AssertionError("no address to ask at")
        return (await self.timed(step, request, self.address, tries=tries))[0]

    async def timed(self, step: str, request: Request[R], place: Place, *, tries: int = TRIES) -> tuple[R, Answer]:
        """Ask at any place, and say how long it took."""
        exchange = Exchange(
            step=step,
            device=self.uid,
            place=place,
            apdu=request.to_apdu(),
            service=request.SERVICE,
            writes=request.WRITES,
            tries=tries,
        )
        answer = await self.transactions.exchange(exchange, self.priority)
        try:
            return request.answer(answer.apdu), answer
        except Refused as refusal:
            raise DriverError(
                Kind.REFUSED, step=step, device=self.uid, attempts=answer.tries, code=f"{refusal.code:02X}"
            ) from None
        except AnswerError as error:
            raise unreadable(step, self.uid, answer.apdu, str(error)) from error

    async def read(self, step: str, mode: MemoryMode, offset: int, count: int, *, tries: int = TRIES) -> bytes:
        """Read memory by Neuron ID, exactly so many bytes."""
        return exact(step, self.uid, await self.ask(step, ReadMemory(mode, offset, count), tries=tries), count)


def exact(step: str, uid: str, answer: Data, count: int) -> bytes:
    """The bytes that were read; BAD_FRAME unless there are as many as were asked for."""
    if len(answer.data) != count:
        raise unreadable(step, uid, answer.data, f"{len(answer.data)} bytes instead of {count}")
    return answer.data


def unreadable(step: str, uid: str, data: bytes, reason: str) -> DriverError:
    """BAD_FRAME with what came."""
    return DriverError(Kind.BAD_FRAME, step=step, device=uid, bytes=data.hex(" ").upper(), reason=reason)


def differs(step: str, uid: str, expected: str, found: str) -> DriverError:
    """VERIFY_FAILED: the device is not as it should be after what was done to it."""
    return DriverError(Kind.VERIFY_FAILED, step=step, device=uid, expected=expected, found=found)


def by_uid(uid: str) -> Place:
    """Where a device is reached whatever its configuration."""
    return Place(NeuronId(bytes.fromhex(uid)), UNDER_ANY_CONFIGURATION)


def at(address: Address) -> Place:
    """Where whoever has a logical address is reached."""
    parts = address.parts
    return Place(SubnetNode(int(parts["subnet"]), int(parts["node"])), bytes.fromhex(str(parts["domain"])))


def facts_of(status: Status, note: str | None = None) -> Facts:
    """What Query Status tells of a device."""
    state = status.state
    marginal = error_in_words(status.error)
    if state is None:
        marginal = marginal or state_in_words(status)
    return Facts(
        state=NetworkState.PROVISIONED if state is not None and state.configured else NetworkState.UNPROVISIONED,
        application=None if state is None else state.has_application,
        marginal=marginal,
        note=note,
        model=status.model,
        firmware=status.version,
    )


def state_in_words(status: Status) -> str:
    """Its state for people, also one that does not exist."""
    if status.state is None:
        return f"invalid state {status.state_byte:02X}"
    return status.state.in_words
