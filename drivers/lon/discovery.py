"""Finding devices: by asking everybody who is there, and by listening for service pins.

The query loop: everybody is selected, then asked until nobody new answers; who has answered is deselected,
so that each round leaves fewer to collide. Semantics as of LON Stack DX HandleNMQueryId.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from core.errors import Kind
from drivers.base import Address, DriverError, Found, NetworkState, Priority, Progress
from drivers.lon.dialogue import Dialogue
from drivers.lon.management import (
    Identification,
    MemoryMode,
    QueryDomain,
    QueryId,
    QueryStatus,
    ReadDocumentation,
    Refused,
    RespondToQuery,
)
from drivers.lon.names import address_of, program_id_of, uid_of
from drivers.lon.packets import Broadcast, SubnetNode
from drivers.lon.structures import PROGRAM_ID_OFFSET, PROGRAM_ID_SIZE, AnswerError, NodeState
from drivers.lon.transactions import Place, Transactions

SELECTIONS: Final = 4
"""Unacknowledged broadcasts that select everybody. With 6 % of packets lost, two would miss one device in 280."""

SELECTION_PAUSE: Final = 0.02
"""Seconds between them, so that one burst of noise does not take them all."""

QUIET: Final = 0.5
"""Seconds without an answer that end a round: the random wait of a crowd announced as 63, behind a full queue."""

ROUND_LIMIT: Final = 8.0
"""Seconds one round may take at most; a thousand devices need no more for the answers that get through at all."""

CROWD: Final = 63
"""Backlog of a query while many may answer: the largest, so that they spread as widely as they can."""

FEW: Final = 8
"""Backlog when the round before had at most this many answers."""

EMPTY_ROUNDS: Final = 2
"""Rounds in a row in which nobody new answers, until it is believed on a good channel."""

EMPTY_ROUNDS_WHEN_LOSSY: Final = 4
"""The same where answers get lost: with 12 % of them lost, one device in 5000 misses four rounds."""

LOSSY: Final = 0.01
"""Share of sendings without answer above which a channel counts as lossy."""

COLLISIONS_BELIEVED: Final = 4
"""So many rounds without answers count as not empty when the interface heard something unreadable; then it is noise."""

DOCUMENTATION_CHUNK: Final = 32
"""Bytes that fit into the smallest application buffers in use (66 bytes)."""

DOCUMENTATION_LIMIT: Final = 128
DOCUMENTATION_TRIES: Final = 3
"""A device without documentation may say nothing at all; little time is spent on that."""

LONMARK_PREFIX: Final = re.compile(r"&[^;]*;")
"""Functional profiles in front of the text people have written, as in `&3.2@0,2;Boiler`."""


@dataclass(frozen=True, slots=True)
class _Answerer:
    """Who answered, and from where."""

    uid: str
    program_id: str
    source: SubnetNode
    domain: bytes


async def discover(
    transactions: Transactions, domain: bytes, priority: Priority
) -> AsyncGenerator[Found | Progress, None]:
    """Everybody in the domain of length zero (all that are not configured), then the site's own members.

    Devices configured in foreign domains answer no broadcast of ours; they are found by service pin.
    """
    domains = list(dict.fromkeys([b"", domain]))
    for _ in range(SELECTIONS):
        for each in domains:
            await transactions.tell(Place(Broadcast(), each), RespondToQuery(on=True).to_apdu())
        await asyncio.sleep(SELECTION_PAUSE)
    known: set[str] = set()
    done = 0
    for each in domains:
        rounds = _Rounds(transactions, each)
        while not rounds.over:
            answerers = await rounds.next()
            new = [answerer for answerer in answerers if answerer.uid not in known]
            rounds.judge(len(new))
            await _deselect(transactions, [a for a in answerers if a.uid in known], priority)
            known.update(answerer.uid for answerer in new)
            if new:
                yield Progress(done, len(known), "devices")
            async for found in _identify_all(transactions, new, priority):
                done += 1
                yield found
                yield Progress(done, len(known), "devices")


class _Rounds:
    """Asking one domain until it is empty."""

    def __init__(self, transactions: Transactions, domain: bytes) -> None:
        self._transactions = transactions
        self._domain = domain
        self._backlog = CROWD
        self._empty = 0
        self._collisions = 0
        self._failures = 0

    @property
    def over(self) -> bool:
        """Whether enough rounds have been empty."""
        lossy = self._transactions.window.loss > LOSSY
        return self._empty >= (EMPTY_ROUNDS_WHEN_LOSSY if lossy else EMPTY_ROUNDS)

    async def next(self) -> list[_Answerer]:
        """Ask once; everybody who answered, once each."""
        self._failures = self._transactions.reception_failures
        query = QueryId(QueryId.SELECTED)
        answers = await self._transactions.ask_all(
            Place(Broadcast(), self._domain), query.to_apdu(), backlog=self._backlog, quiet=QUIET, limit=ROUND_LIMIT
        )
        answerers: dict[str, _Answerer] = {}
        for apdu, source in answers:
            with suppress(AnswerError, Refused):  # an unreadable one is asked again: it is still selected
                who = query.answer(apdu)
                uid = uid_of(who.neuron_id)
                answerers[uid] = _Answerer(uid, program_id_of(who.program_id), source, self._domain)
        return list(answerers.values())

    def judge(self, new: int) -> None:
        """What the round says of those who are left."""
        self._backlog = CROWD if new > FEW else FEW
        if new:
            self._empty = 0
        elif self._transactions.reception_failures > self._failures and self._collisions < COLLISIONS_BELIEVED:
            self._collisions += 1
            self._backlog = CROWD
        else:
            self._empty += 1


async def _deselect(transactions: Transactions, answerers: Iterable[_Answerer], priority: Priority) -> None:
    for answerer in answerers:
        with suppress(DriverError):  # it will answer again, and be asked again
            await Dialogue(transactions, answerer.uid, priority).ask("deselect", RespondToQuery(on=False))


async def _identify_all(
    transactions: Transactions, answerers: list[_Answerer], priority: Priority
) -> AsyncGenerator[Found, None]:
    tasks = [asyncio.create_task(_identify(transactions, answerer, priority)) for answerer in answerers]
    try:
        for task in asyncio.as_completed(tasks):
            yield await task
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _identify(transactions: Transactions, answerer: _Answerer, priority: Priority) -> Found:
    dialogue = Dialogue(transactions, answerer.uid, priority)
    await _deselect(transactions, [answerer], priority)
    address = None
    if answerer.domain and answerer.source.node:
        address = address_of(answerer.domain, answerer.source.subnet, answerer.source.node)
    return await identify(dialogue, answerer.program_id, address)


async def identify_unknown(dialogue: Dialogue) -> Found:
    """Ask a device of which nothing but its Neuron ID is known; raises NO_REPLY.

    One that keeps its program ID to itself has None.
    """
    program_id = None
    try:
        data = await dialogue.read("identify", MemoryMode.READ_ONLY, PROGRAM_ID_OFFSET, PROGRAM_ID_SIZE)
        program_id = program_id_of(data)
    except DriverError as error:
        if error.kind is not Kind.REFUSED:
            raise
    return await identify(dialogue, program_id)


async def identify(dialogue: Dialogue, program_id: str | None, address: Address | None = None) -> Found:
    """All that is worth knowing of a device that made itself known. Silence is no error: then it is less."""
    try:
        status = await dialogue.ask("query status", QueryStatus())
    except DriverError:
        state = NetworkState.UNPROVISIONED if address is None else NetworkState.PROVISIONED
        return Found(dialogue.uid, program_id, state, address)
    node_state = status.state
    configured = node_state is not None and node_state.configured
    if configured and address is None:
        address = await _address(dialogue)
    return Found(
        uid=dialogue.uid,
        program_id=program_id,
        state=NetworkState.PROVISIONED if configured else NetworkState.UNPROVISIONED,
        address=address if configured else None,
        application=_has_application(node_state),
        documentation=await _documentation(dialogue),
        model=status.model,
        firmware=status.version,
    )


def _has_application(state: NodeState | None) -> bool:
    return state is None or state.has_application


async def _address(dialogue: Dialogue) -> Address | None:
    """Where it is configured, from its domain table."""
    for index in (0, 1):
        try:
            entry = (await dialogue.ask("query domain", QueryDomain(index))).entry
        except DriverError:
            return None
        if entry.in_use:
            return address_of(entry.domain, entry.subnet, entry.node)
    return None


async def _documentation(dialogue: Dialogue) -> str:
    text = b""
    while len(text) < DOCUMENTATION_LIMIT:
        request = ReadDocumentation(len(text), DOCUMENTATION_CHUNK)
        try:
            chunk = (await dialogue.ask("read documentation", request, tries=DOCUMENTATION_TRIES)).data
        except DriverError as error:
            if error.kind not in (Kind.REFUSED, Kind.NO_REPLY, Kind.BAD_FRAME):
                raise
            break
        text += chunk
        if len(chunk) < DOCUMENTATION_CHUNK or b"\x00" in chunk:
            break
    return clean(text)


def clean(documentation: bytes) -> str:
    """A device's own text without profiles, and without anything that a terminal would act on."""
    text = documentation.split(b"\x00", 1)[0].decode("latin-1")
    text = LONMARK_PREFIX.sub("", text, count=1) if text.startswith("&") else text
    return " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())


def pressed(apdu: bytes) -> Identification | None:
    """Whose service pin this message reports, None when it reports none."""
    try:
        return Identification.from_apdu(apdu[1:])
    except AnswerError:
        return None
