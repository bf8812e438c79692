"""Where a device belongs: giving it a place in the domain, taking that away, and proving that it came to pass.

The state goes to configured only after the tables are written: a device that loses power in the middle is
unconfigured, never half configured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from typing import Final

from core.errors import Kind
from drivers.base import DriverError, Facts, NetworkState, Step, StepClass, StepEvent
from drivers.lon import configuration
from drivers.lon.dialogue import PROBE_TRIES, Dialogue, differs, exact, facts_of, state_in_words
from drivers.lon.identification import check_program, identify
from drivers.lon.kinds import BY_HAND, of_kind
from drivers.lon.management import (
    ChangeState,
    Done,
    LeaveDomain,
    MemoryMode,
    NodeMode,
    QueryDomain,
    QueryStatus,
    ReadMemory,
    Request,
    SetMode,
    UpdateDomain,
)
from drivers.lon.names import address_of, program_id_of, uid_of
from drivers.lon.structures import NEURON_ID_SIZE, UNUSED_DOMAIN, DomainEntry, Identity, NodeState

CHECK_DOMAIN: Final = "check domain"
"""The step of looking where it works now."""


async def provision(dialogue: Dialogue, program_id: str | None, *, take_over: bool) -> AsyncGenerator[StepEvent, None]:
    """Give it its address and bring it online; one that works elsewhere only if it is to be taken over.

    One that is taken over has its configuration saved first, so that it can be given back what is being taken.
    """
    entry = new_entry(dialogue)
    yield Step("identify", StepClass.READ)
    identity = await identify(dialogue)
    check_program(dialogue, identity, program_id)
    there = False
    if identity.configured:
        if take_over:
            yield Step(configuration.SAVE, StepClass.READ)
            yield await configuration.read(dialogue, identity)
        yield Step(CHECK_DOMAIN, StepClass.READ)
        entries = await entries_in_use(dialogue, identity)
        others = [each for each in entries if not each.same_place(entry)]
        if others and not take_over:
            yield Facts(
                state=NetworkState.PROVISIONED,
                address=address_of(others[0].domain, others[0].subnet, others[0].node),
            )
            raise works_elsewhere(dialogue, others[0])
        there = bool(entries) and not others
    if not there:
        if identity.configured:
            yield Step("unconfigured", StepClass.IDEMPOTENT)
            await dialogue.ask("unconfigured", ChangeState(NodeState.UNCONFIGURED))
        async for step in take_place(dialogue, identity, entry):
            yield step
    async for event in bring_online(dialogue, identity):
        yield event


async def deprovision(dialogue: Dialogue) -> AsyncGenerator[StepEvent, None]:
    """Make it forget its place, and look whether it did."""
    yield Step("identify", StepClass.READ)
    identity = await identify(dialogue)
    async for step in leave_place(dialogue, identity):
        yield step
    yield Step("check status", StepClass.READ)
    status = await dialogue.ask("check status", QueryStatus())
    if status.state not in (NodeState.UNCONFIGURED, NodeState.APPLICATIONLESS):
        raise differs("check status", dialogue.uid, "unconfigured", state_in_words(status))
    yield facts_of(status)


def new_entry(dialogue: Dialogue) -> DomainEntry:
    """What its domain table shall hold; raises INVALID when no address was set aside for it."""
    if dialogue.entry is None:
        raise DriverError(Kind.INVALID, what="device", value=dialogue.uid, reason="it has no logical address")
    return dialogue.entry


async def entries_in_use(dialogue: Dialogue, identity: Identity) -> list[DomainEntry]:
    """Where it works, by its domain table."""
    tables = [await dialogue.ask(CHECK_DOMAIN, QueryDomain(index)) for index in range(1 + identity.two_domains)]
    return [table.entry for table in tables if table.entry.in_use]


def works_elsewhere(dialogue: Dialogue, entry: DomainEntry) -> DriverError:
    """ELSEWHERE, with the place."""
    where = f"{entry.subnet}/{entry.node} in domain {entry.domain.hex().upper() or 'of length 0'}"
    return DriverError(Kind.ELSEWHERE, step=CHECK_DOMAIN, device=dialogue.uid, found=where)


async def change_place(dialogue: Dialogue, identity: Identity, step: str, request: Request[Done]) -> None:
    """Change where it belongs. Of a unit that wants a step by hand first, a refusal means that it was not done."""
    try:
        await dialogue.ask(step, request)
    except DriverError as error:
        by_hand = of_kind(BY_HAND, program_id_of(identity.program_id))
        if error.kind is not Kind.REFUSED or not by_hand:
            raise
        raise DriverError(Kind.NEEDS_HAND, step=step, device=dialogue.uid, reason="; ".join(by_hand)) from error


async def take_place(dialogue: Dialogue, identity: Identity, entry: DomainEntry) -> AsyncGenerator[StepEvent, None]:
    """Give an unconfigured device this place and no other, and make it use it."""
    yield Step("write domain", StepClass.IDEMPOTENT)
    await change_place(dialogue, identity, "write domain", UpdateDomain(0, entry))
    if identity.two_domains:
        yield Step("clear second domain", StepClass.IDEMPOTENT)
        await _leave_second_domain(dialogue)
    yield Step("configured", StepClass.IDEMPOTENT)
    await change_place(dialogue, identity, "configured", ChangeState(NodeState.CONFIGURED))


async def _leave_second_domain(dialogue: Dialogue) -> None:
    """A refusal means that there is none. No answer is due when the message came in that very domain."""
    step = "clear second domain"
    try:
        await dialogue.ask(step, LeaveDomain(1), tries=PROBE_TRIES)
    except DriverError as error:
        if error.kind is Kind.NO_REPLY:
            await dialogue.ask(step, UpdateDomain(1, UNUSED_DOMAIN))
        elif error.kind is not Kind.REFUSED:
            raise


async def leave_place(dialogue: Dialogue, identity: Identity) -> AsyncGenerator[StepEvent, None]:
    """Unconfigured first, then the domain entries."""
    if identity.state is not NodeState.APPLICATIONLESS:  # which is unconfigured already, and must stay what it is
        yield Step("unconfigured", StepClass.IDEMPOTENT)
        await dialogue.ask("unconfigured", ChangeState(NodeState.UNCONFIGURED))
    yield Step("clear domain", StepClass.IDEMPOTENT)
    await dialogue.ask("clear domain", UpdateDomain(0, UNUSED_DOMAIN))
    if identity.two_domains:
        yield Step("clear second domain", StepClass.IDEMPOTENT)
        await dialogue.ask("clear second domain", UpdateDomain(1, UNUSED_DOMAIN))


async def bring_online(dialogue: Dialogue, identity: Identity) -> AsyncGenerator[StepEvent, None]:
    """Let its application run, and prove by its address that it is there; the last event are its Facts."""
    if identity.whole:  # else the exchanges saved here went into identifying it, and "check status" tells anyway
        yield Step("online", StepClass.IDEMPOTENT)
        await dialogue.ask("online", SetMode(NodeMode.ONLINE))
    yield Step("check status", StepClass.READ)
    status = await dialogue.ask_at_address("check status", QueryStatus())
    if status.state is not NodeState.CONFIGURED:
        raise differs("check status", dialogue.uid, "configured, online", state_in_words(status))
    yield Step("read back", StepClass.READ)
    answer = await dialogue.ask_at_address("read back", ReadMemory(MemoryMode.READ_ONLY, 0, NEURON_ID_SIZE))
    found = uid_of(exact("read back", dialogue.uid, answer, NEURON_ID_SIZE))
    if found != dialogue.uid:
        raise DriverError(Kind.WRONG_DEVICE, step="read back", device=dialogue.uid, expected=dialogue.uid, found=found)
    yield dataclasses.replace(facts_of(status), program_id=program_id_of(identity.program_id))
