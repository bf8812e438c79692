"""Saving the configuration of a device, and restoring it with the state that the device had before."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Final

from drivers.base import Checkpoint, Facts, Snapshot, Step, StepClass, StepEvent
from drivers.lon import configuration
from drivers.lon.commissioning import entries_in_use
from drivers.lon.dialogue import Dialogue, differs, facts_of, state_in_words
from drivers.lon.identification import check_program, identify
from drivers.lon.management import ChangeState, NodeMode, QueryStatus, SetMode
from drivers.lon.names import program_id_of
from drivers.lon.structures import Identity, NodeState

_STATE: Final = "state"
"""Of a device, in the checkpoint of a restore: the one that it had before."""

_STORED_AS: Final[Mapping[NodeState, tuple[NodeState, NodeMode | None]]] = {
    NodeState.CONFIGURED: (NodeState.CONFIGURED, NodeMode.ONLINE),
    NodeState.SOFT_OFFLINE: (NodeState.CONFIGURED, NodeMode.OFFLINE),
    NodeState.HARD_OFFLINE: (NodeState.HARD_OFFLINE, None),
}
"""How a device is brought back to a state in which it was configured."""


async def snapshot(dialogue: Dialogue) -> AsyncGenerator[StepEvent, None]:
    """Read its configuration. What it refuses is left out."""
    yield Step("identify", StepClass.READ)
    identity = await identify(dialogue)
    yield Step(configuration.SAVE, StepClass.READ)
    saved = await configuration.read(dialogue, identity)
    yield saved
    yield Facts(
        program_id=program_id_of(identity.program_id),
        model=identity.model,
        note=configuration.decode(saved, dialogue.uid).in_words(),
    )


async def restore(
    dialogue: Dialogue, saved: Snapshot | None, cut_off: Checkpoint | None
) -> AsyncGenerator[StepEvent, None]:
    """Write back what differs. A configured device is unconfigured while its tables change, and gets its state back."""
    document = configuration.decode(saved, dialogue.uid)
    yield Step("identify", StepClass.READ)
    identity = await identify(dialogue)
    check_program(dialogue, identity, program_id_of(document.program_id))
    yield Step("compare", StepClass.READ)
    now = (await dialogue.ask("compare", QueryStatus())).state
    before = await _state_before(dialogue, identity, cut_off) or now
    entries = await configuration.differences(dialogue, "compare", document)
    if identity.configured and before is not None and configuration.needs_rest(entries):
        before = NodeState.SOFT_OFFLINE if before is NodeState.BYPASS else before  # which no message brings back
        yield Checkpoint({_STATE: int(before)})
        yield Step("unconfigured", StepClass.IDEMPOTENT)
        await dialogue.ask("unconfigured", ChangeState(NodeState.UNCONFIGURED))
        now = NodeState.UNCONFIGURED
    async for event in configuration.write(dialogue, entries):
        yield event
    if before is not None and before.configured and before is not now:
        stored, mode = _STORED_AS[before]
        yield Step("configured", StepClass.IDEMPOTENT)
        await dialogue.ask("configured", ChangeState(stored))
        if mode is not None:
            yield Step(mode.name.lower(), StepClass.IDEMPOTENT)
            await dialogue.ask(mode.name.lower(), SetMode(mode))
    yield Step("check status", StepClass.READ)
    status = await dialogue.ask("check status", QueryStatus())
    if before is not None and status.state is not before:
        raise differs("check status", dialogue.uid, before.in_words, state_in_words(status))
    yield facts_of(status, note=f"{len(entries)} entries restored" if entries else "nothing differed")


async def _state_before(dialogue: Dialogue, identity: Identity, cut_off: Checkpoint | None) -> NodeState | None:
    """The state that a restore which was cut off took away; None when it did not, or somebody else has been there.

    A device without a place has been deprovisioned since, and a configured one has its state.
    """
    state = cut_off.data.get(_STATE) if cut_off is not None else None
    if not isinstance(state, int) or identity.configured or not await entries_in_use(dialogue, identity):
        return None
    before = NodeState.of(state)
    return before if before in _STORED_AS else None
