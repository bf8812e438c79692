"""Who a device is and how it stands: what everything that is done to it begins with."""

from __future__ import annotations

from typing import Final

from core.errors import Kind
from drivers.base import DriverError
from drivers.lon.dialogue import LEFT_OUT, Dialogue, exact
from drivers.lon.management import MemoryMode, QueryStatus, ReadMemory
from drivers.lon.names import program_id_of, same_program, uid_of
from drivers.lon.structures import IDENTITY_SIZE, PROGRAM_ID_OFFSET, PROGRAM_ID_SIZE, Identity

LOOKS: Final = 2
"""Answers with another Neuron ID until it is believed: one of them may be a stray that belongs to somebody else."""


async def identify(dialogue: Dialogue) -> Identity:
    """Ask it in one go, or piece by piece where it refuses that. Raises WRONG_DEVICE and as `ask`."""
    found = ""
    for _ in range(LOOKS):
        request = ReadMemory(MemoryMode.READ_ONLY, 0, IDENTITY_SIZE)
        try:
            data = exact("identify", dialogue.uid, await dialogue.ask("identify", request), IDENTITY_SIZE)
        except DriverError as error:
            if error.kind not in LEFT_OUT:
                raise
            return await _in_pieces(dialogue)
        identity = Identity.from_bytes(data)
        found = uid_of(identity.neuron_id)
        if found == dialogue.uid:
            return identity
    raise DriverError(Kind.WRONG_DEVICE, step="identify", device=dialogue.uid, expected=dialogue.uid, found=found)


async def _in_pieces(dialogue: Dialogue) -> Identity:
    status = await dialogue.ask("identify", QueryStatus())
    program_id = await dialogue.read("identify", MemoryMode.READ_ONLY, PROGRAM_ID_OFFSET, PROGRAM_ID_SIZE)
    neuron_id = bytes.fromhex(dialogue.uid)
    return Identity(neuron_id, status.model, program_id, status.state, two_domains=False, whole=False)


def check_program(dialogue: Dialogue, identity: Identity, program_id: str | None) -> None:
    """Raise NO_APPLICATION unless it has one, WRONG_PROGRAM unless it has this one, if any is expected."""
    if identity.state is not None and not identity.state.has_application:
        raise DriverError(Kind.NO_APPLICATION, step="identify", device=dialogue.uid)
    if program_id and not same_program(identity.program_id, program_id):
        raise DriverError(
            Kind.WRONG_PROGRAM,
            step="identify",
            device=dialogue.uid,
            expected=program_id,
            found=program_id_of(identity.program_id),
        )
