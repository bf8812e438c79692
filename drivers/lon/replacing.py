"""Replacing: a new unit takes the place of a device, with its address and configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator

from core.errors import Kind
from drivers.base import DriverError, Facts, Snapshot, Step, StepClass, StepEvent
from drivers.lon import commissioning, configuration
from drivers.lon.configuration import Document
from drivers.lon.dialogue import PROBE_TRIES, Dialogue
from drivers.lon.identification import check_program, identify
from drivers.lon.management import ChangeState, QueryStatus
from drivers.lon.structures import DomainEntry, Identity, NodeState


async def replace(
    old: Dialogue, new: Dialogue, program_id: str | None, saved: Snapshot | None, *, force: bool
) -> AsyncGenerator[StepEvent, None]:
    """Let the new unit take the place of the old one. `saved` is what was kept of the old one's configuration.

    The new unit is asked to be configured before the old one is touched, so that one which waits for a step by hand
    costs nothing.
    """
    entry = commissioning.new_entry(new)
    if new.uid == old.uid:
        raise DriverError(Kind.INVALID, what="new unit", value=new.uid, reason="it is the device itself")
    yield Step("identify new unit", StepClass.READ)
    identity = await identify(new)
    check_program(new, identity, None if force else program_id)
    if identity.configured and not force:
        yield Step(commissioning.CHECK_DOMAIN, StepClass.READ)
        others = [each for each in await commissioning.entries_in_use(new, identity) if not each.same_place(entry)]
        if others:
            raise commissioning.works_elsewhere(new, others[0])
    yield Step("prepare new unit", StepClass.IDEMPOTENT)
    unconfigured = ChangeState(NodeState.UNCONFIGURED)
    await commissioning.change_place(new, identity, "prepare new unit", unconfigured)

    notes = [f"took the place of {old.uid}"]
    yield Step("look for old device", StepClass.READ)
    was = await _identify_if_there(old)
    if was is None:
        notes.append("it does not answer, take it off the channel")
    elif await _moved_away(old, was, entry):
        notes.append("it works elsewhere now and is left alone")
    else:
        async for event in _release(old, was, kept=saved is not None):
            saved = event if isinstance(event, Snapshot) else saved
            yield event

    document = None if saved is None else configuration.decode(saved, old.uid)
    notes.append(_inheritance(document, identity))
    if document is not None and document.program_id == identity.program_id:
        yield Step("compare", StepClass.READ)
        async for event in configuration.write(new, await configuration.differences(new, "compare", document)):
            yield event
        entry = document.domain_at(entry)
    async for event in commissioning.take_place(new, identity, entry):
        yield event
    async for event in commissioning.bring_online(new, identity):
        yield dataclasses.replace(event, uid=new.uid, note="; ".join(notes)) if isinstance(event, Facts) else event


async def _identify_if_there(old: Dialogue) -> Identity | None:
    """Who it is, or None when it does not answer some short tries."""
    try:
        await old.ask("look for old device", QueryStatus(), tries=PROBE_TRIES)
    except DriverError as error:
        if error.kind is not Kind.NO_REPLY:
            raise
        return None
    return await identify(old)


async def _moved_away(old: Dialogue, was: Identity, entry: DomainEntry) -> bool:
    """Whether the old device works, but not at the address that it shall give away."""
    entries = await commissioning.entries_in_use(old, was) if was.configured else []
    return bool(entries) and not any(each.same_place(entry) for each in entries)


async def _release(old: Dialogue, was: Identity, *, kept: bool) -> AsyncGenerator[StepEvent, None]:
    """Keep the configuration of the old device and take its address away.

    One that is unconfigured uses no address. It was released by an attempt that was cut off, or it has a fault:
    then what was kept before is worth more than what it has now.
    """
    if was.configured or not kept:
        yield Step("save configuration of old device", StepClass.READ)
        yield await configuration.read(old, was)
    if was.configured:
        async for event in commissioning.leave_place(old, was):
            yield event


def _inheritance(document: Document | None, identity: Identity) -> str:
    if document is None:
        return "no configuration was kept"
    if document.program_id != identity.program_id:
        return "its configuration is that of another program and was not restored"
    return "configuration restored"
