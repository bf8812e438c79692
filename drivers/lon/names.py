"""The written forms of what the channel knows as bytes: Neuron IDs, program IDs, addresses, network variables."""

from __future__ import annotations

import re
from typing import Final

from core.errors import FieldhandError, Kind
from drivers.base import Address
from drivers.lon.structures import MOST_VARIABLES, NEURON_ID_SIZE

SEPARATORS: Final = re.compile(r"[:\-.\s]")
"""What people put between the digits of a Neuron ID or a program ID."""


def uid_of(neuron_id: bytes) -> str:
    """The written form of a Neuron ID."""
    return neuron_id.hex().upper()


def parse_uid(text: str) -> str:
    """A Neuron ID in its one written form, 12 hexadecimal digits in upper case; raises INVALID_UID."""
    bare = SEPARATORS.sub("", text.strip().removeprefix("'"))
    digits = re.sub("^0[xX]", "", bare).upper()
    reason = None
    if not re.fullmatch("[0-9A-F]*", digits):
        reason = "a Neuron ID is written in hexadecimal digits, such as 00A1B2C3D401"
    elif len(digits) != 2 * NEURON_ID_SIZE:
        reason = f"a Neuron ID has 12 hexadecimal digits, this has {len(digits)}"
    elif not digits.strip("0"):
        reason = "no device has the Neuron ID zero"
    if reason is not None:
        raise FieldhandError(Kind.INVALID_UID, uid=text, protocol="LON", reason=reason)
    return digits


def program_id_of(program_id: bytes) -> str:
    """The written form of a program ID."""
    return program_id.hex().upper()


def same_program(program_id: bytes, text: str) -> bool:
    """Whether a text, with or without separators, means this program ID."""
    return SEPARATORS.sub("", text).upper() == program_id_of(program_id)


def address_of(domain: bytes, subnet: int, node: int) -> Address:
    """The written form of a logical address."""
    return Address(f"{subnet}/{node}", {"domain": domain.hex().upper(), "subnet": subnet, "node": node})


def variable_of(index: int) -> str:
    """The written form of a network variable."""
    return f"nv {index}"


def parse_variable(text: str) -> int:
    """The index of a network variable, written `nv 3` or only `3`; raises INVALID."""
    index = re.fullmatch(r"\s*(?:nv\s*)?([0-9]{1,5})\s*", text, re.IGNORECASE | re.ASCII)
    if index is None or int(index[1]) >= MOST_VARIABLES:
        reason = f"a datapoint is a network variable by its index, nv 0 to nv {MOST_VARIABLES - 1}"
        raise FieldhandError(Kind.INVALID, what="datapoint", value=text, reason=reason)
    return int(index[1])
