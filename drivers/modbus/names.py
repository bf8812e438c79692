"""The written forms of units: UIDs such as `5@ttymxc2`, addresses such as `unit 5`, and names of datapoints."""

from __future__ import annotations

import re
from typing import Final

from core.errors import FieldhandError, Kind
from drivers.base import Address
from drivers.modbus.frames import FIRST_UNIT, LAST_UNIT

LINE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,79}")
"""What the part of a UID behind the @ may be."""

POINT_NAME_MOST: Final = 40
"""Characters of a datapoint's name."""


def uid_of(unit: int, line_name: str) -> str:
    """The written form of a UID."""
    return f"{unit}@{line_name}"


def parse_uid(uid: str) -> tuple[int, str]:
    """Unit and line of a UID, also with the path of the line in front of its name; raises INVALID_UID."""
    bare = uid.strip().removeprefix("'").strip()
    unit, at, line = (part.strip() for part in bare.partition("@"))
    name = line.rpartition("/")[2]
    reason = None
    if not at or not re.fullmatch("[0-9]{1,3}", unit):
        reason = "it is written as the unit number and the line, such as 5@ttymxc2"
    elif not FIRST_UNIT <= int(unit) <= LAST_UNIT:
        reason = f"units have the numbers {FIRST_UNIT} to {LAST_UNIT}"
    elif not LINE_NAME.fullmatch(name):
        reason = "behind the @ it takes the name of the line, such as ttymxc2"
    if reason is not None:
        raise FieldhandError(Kind.INVALID_UID, uid=uid, protocol="Modbus", reason=reason)
    return int(unit), name


def address_of(unit: int) -> Address:
    """The written form of a unit number."""
    return Address(f"unit {unit}", {"unit": unit})


def parse_point(text: str) -> str:
    """The name of a datapoint in its one written form; raises INVALID."""
    name = " ".join(text.split())
    if not name or len(name) > POINT_NAME_MOST or not name.isprintable():
        reason = f"it is a name of 1 to {POINT_NAME_MOST} characters from the description of the device's type"
        raise FieldhandError(Kind.INVALID, what="datapoint", value=text, reason=reason)
    return name
