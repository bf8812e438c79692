"""Asking a device how it is: test, poll, and whether it is back after a reset."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Final

from core.errors import FieldhandError, Kind
from drivers.base import Address, DriverError, Progress, Reading, Step, StepClass, StepEvent
from drivers.lon.dialogue import Dialogue, by_uid, differs, facts_of, unreadable
from drivers.lon.management import ClearStatus, FetchVariable, NodeMode, QueryStatus, SetMode, Status
from drivers.lon.names import parse_variable, variable_of
from drivers.lon.transactions import Place

POLL_TRIES: Final = 4
"""A poll or a test is repeated soon anyway."""

RESET_TRIES: Final = 3
"""Nothing answers a reset, so that one that was lost shows only afterwards."""

QUERY_STATUS: Final = "query status"


async def test(dialogue: Dialogue, address: Address | None, count: int) -> AsyncGenerator[StepEvent, None]:
    """Ask for its status so many times, at its logical address; who is not there is looked for by Neuron ID."""
    place, note = dialogue.address or by_uid(dialogue.uid), ""
    milliseconds: list[float] = []
    status: Status | None = None
    yield Step(QUERY_STATUS, StepClass.READ)
    for done in range(1, count + 1):
        try:
            try:
                status, answer = await dialogue.timed(QUERY_STATUS, QueryStatus(), place, tries=POLL_TRIES)
            except DriverError as error:
                if error.kind is not Kind.NO_REPLY or status is not None or place != dialogue.address:
                    raise
                place = by_uid(dialogue.uid)
                note = f", by Neuron ID only: it is not at {address.text}" if address else ""
                status, answer = await dialogue.timed(QUERY_STATUS, QueryStatus(), place, tries=POLL_TRIES)
            milliseconds.append(answer.seconds * 1000)
        except DriverError as error:
            if error.kind is not Kind.NO_REPLY or status is None:
                raise
        yield Progress(done, count, "tries")
    if status is None:
        raise FieldhandError(Kind.INVALID, what="count", value=count, reason="it must be at least 1")
    mean = sum(milliseconds) / len(milliseconds)
    yield facts_of(status, note=f"{len(milliseconds)} of {count} answered, {mean:.0f} ms mean{note}")


async def reset(dialogue: Dialogue) -> AsyncGenerator[StepEvent, None]:
    """Let it start anew. The status is cleared first: the cause of reset then tells that it really did."""
    yield Step("clear status", StepClass.IDEMPOTENT)
    await dialogue.ask("clear status", ClearStatus())
    for _ in range(RESET_TRIES):
        yield Step("reset", StepClass.IDEMPOTENT)
        await dialogue.transactions.tell(by_uid(dialogue.uid), SetMode(NodeMode.RESET).to_apdu())
        yield Step("wait for it", StepClass.READ)
        status = await dialogue.ask("wait for it", QueryStatus())
        if status.reset_cause:
            yield facts_of(status, note="it started anew")
            return
    raise differs("reset", dialogue.uid, "a reset", "none")


async def poll(dialogue: Dialogue, points: Iterable[str]) -> AsyncGenerator[StepEvent, None]:
    """Ask for its status and its points, at its logical address; by Neuron ID when it has none.

    A device that is not at its address is silent here, and that is what monitoring wants to know. Points that it
    refuses, or that are none, are named in the note.
    """
    place = dialogue.address or by_uid(dialogue.uid)
    yield Step(QUERY_STATUS, StepClass.READ)
    status, _ = await dialogue.timed(QUERY_STATUS, QueryStatus(), place, tries=POLL_TRIES)
    refused: list[str] = []
    for point in points:
        try:
            yield await _fetch(dialogue, place, point)
        except FieldhandError as error:
            if error.kind not in (Kind.REFUSED, Kind.INVALID):
                raise
            refused.append(point)
    yield facts_of(status, note=f"cannot be polled: {', '.join(refused)}" if refused else None)


async def _fetch(dialogue: Dialogue, place: Place, point: str) -> Reading:
    """The value of a network variable; the answer repeats the index."""
    request = FetchVariable(parse_variable(point))
    name = variable_of(request.index)
    answer, _ = await dialogue.timed(name, request, place, tries=POLL_TRIES)
    if not answer.data.startswith(request.data()):
        raise unreadable(name, dialogue.uid, answer.data, "the value of another variable")
    return Reading(name, answer.data[len(request.data()) :].hex(" ").upper())
