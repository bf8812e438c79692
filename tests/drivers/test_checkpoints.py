"""What comes back from the store may be of another version, or damaged: it is taken up, or left alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Kind
from drivers.base import Checkpoint, DriverError, Snapshot
from drivers.lon import loading, update
from drivers.modbus import configuration
from drivers.modbus.commissioning import Move

VALUES = st.none() | st.booleans() | st.integers() | st.text("0123456789ABCDEFxé ", max_size=12) | st.lists(st.none())

LOAD = {"sha256": "ab", "phase": "records", "record": 5, "state": 4}
UPDATE = {"sha256": "ab", "session": "00" * 4, "packet": 128, "phase": "switch", "configured": True, "spacing": 30}
MOVE = {"old": 247, "new": 12, "fingerprint": "Acme/M1/1.0", "serial": None}
SAVED = {
    "type": "meter",
    "program_id": "Acme/M1/1.0",
    "blocks": [{"table": "holding register", "address": 200, "values": [1, 2]}],
}


def damaged(document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The document with some of its values exchanged, or gone."""
    changes = st.dictionaries(st.sampled_from(sorted(document)), VALUES)
    gone = st.sets(st.sampled_from(sorted(document)))
    return st.builds(lambda new, out: {k: v for k, v in {**document, **new}.items() if k not in out}, changes, gone)


@given(damaged(LOAD))
def test_any_checkpoint_of_a_load_is_a_standing_or_none(data: dict[str, Any]) -> None:
    standing = loading.Standing.from_data(data)
    assert standing is None or loading.Standing.from_data(standing.to_checkpoint().data) == standing


@given(damaged(UPDATE))
def test_any_checkpoint_of_an_update_is_a_standing_or_none(data: dict[str, Any]) -> None:
    standing = update.Standing.from_data(data, "ab")
    assert standing is None or update.Standing.from_data(standing.to_checkpoint().data, "ab") == standing


@given(damaged(MOVE))
def test_any_checkpoint_of_a_change_of_unit_is_a_move_or_none(data: dict[str, Any]) -> None:
    move = Move.from_checkpoint(Checkpoint(data))
    assert move is None or Move.from_checkpoint(move.to_checkpoint()) == move


def test_good_checkpoints_are_taken_up() -> None:
    assert loading.Standing.from_data(LOAD) is not None
    assert update.Standing.from_data(UPDATE, "ab") is not None
    assert Move.from_checkpoint(Checkpoint(MOVE)) is not None


@given(damaged(SAVED), st.integers(0, 2))
def test_any_configuration_of_a_modbus_device_is_read_or_refused(data: dict[str, Any], version: int) -> None:
    try:
        configuration.decode(Snapshot(version, data), "5@ttyX")
    except DriverError as refused:
        assert refused.kind is Kind.INVALID
        assert str(refused)


def test_a_damaged_configuration_is_refused_with_the_place() -> None:
    damaged_block = {**SAVED, "blocks": [{"table": "holding register", "address": 70_000, "values": [1]}]}
    with pytest.raises(DriverError, match=r"damaged: blocks\.0\.address"):
        configuration.decode(Snapshot(1, damaged_block), "5@ttyX")
