"""Devices for the tests of the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.models import Device
from drivers.base import Address, NetworkState
from tests.core.devices import GOOD
from tui.model.devices import Row

_PLAIN = replace(GOOD, name="one", port="FT-1", state=NetworkState.UNPROVISIONED)


def device(identity: int, name: str, **more: Any) -> Device:
    if "address" in more and isinstance(more["address"], str):
        more["address"] = Address(more["address"], {})
        more.setdefault("state", NetworkState.PROVISIONED)
    return replace(_PLAIN, id=identity, name=name, uid=f"00D0711509{identity:02X}", **more)


def row(identity: int, name: str, **more: Any) -> Row:
    return Row.of(device(identity, name, **more))
