"""One word for the eye, and the reason why something is not offered."""

from typing import Any

import pytest

from core.actions import ACTIONS, Action
from core.lifecycle import Circumstances, Standing, Status, reason, refusal, standing, status
from core.models import Health
from drivers.base import Capability, NetworkState
from tests.core.devices import CIRCUMSTANCES, FAILURE, IN_STANDING, QUEUED, RUNNING, device

CONDITIONS: dict[Status, dict[str, Any]] = {
    Status.RUNNING: {"pending": RUNNING},
    Status.QUEUED: {"pending": QUEUED},
    Status.UNLICENSED: {"licensed": False},
    Status.FAILED: {"failure": FAILURE},
    Status.NO_APPLICATION: {"application": False},
    Status.UNPROVISIONED: {"state": NetworkState.UNPROVISIONED},
    Status.ELSEWHERE: {"ours": False},
    Status.DOWN: {"health": Health.DOWN},
    Status.SUSPECT: {"health": Health.SUSPECT},
    Status.MARGINAL: {"marginal": "sensor open"},
    Status.OK: {},
}
"""What makes each status, in the order in which one outranks the next."""


def test_every_status_has_a_rule() -> None:
    assert set(CONDITIONS) == set(Status)


@pytest.mark.parametrize("wanted", Status)
def test_each_condition_alone_makes_its_status(wanted: Status) -> None:
    assert status(device(**CONDITIONS[wanted])) is wanted


@pytest.mark.parametrize("place", range(len(CONDITIONS)))
def test_a_status_outranks_all_that_stand_below_it(place: int) -> None:
    ranked = list(CONDITIONS)
    everything: dict[str, Any] = {}
    for lower in reversed(ranked[place:]):  # what outranks is set last
        everything |= CONDITIONS[lower]
    assert status(device(**everything)) is ranked[place]


def test_health_is_not_asked_of_a_device_that_is_not_in_service() -> None:
    assert status(device(state=NetworkState.UNPROVISIONED, health=Health.DOWN)) is Status.UNPROVISIONED


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"failure": FAILURE}, "no answer at query status after 3 tries"),
        ({"pending": RUNNING}, "write domain"),
        ({"marginal": "sensor open"}, "sensor open"),
        ({"licensed": False}, "no license seat"),
        ({"pending": QUEUED, "failure": FAILURE}, ""),
        ({}, ""),
    ],
)
def test_the_reason_stands_beside_the_status(fields: dict[str, Any], said: str) -> None:
    assert reason(device(**fields)) == said


@pytest.mark.parametrize("where", Standing)
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_an_action_is_offered_exactly_in_the_standings_it_names(action: Action, where: Standing) -> None:
    in_standing = device(**IN_STANDING[where])
    assert standing(in_standing) is where
    expected = None if where in action.offered_in else where.value
    assert refusal(action, in_standing, CIRCUMSTANCES) == expected


@pytest.mark.parametrize("action", [a for a in ACTIONS if a.needs_seat], ids=lambda action: action.name)
def test_a_device_without_a_seat_is_not_offered_what_touches_the_hardware(action: Action) -> None:
    for where in Standing:
        assert refusal(action, device(licensed=False, **IN_STANDING[where]), CIRCUMSTANCES) == "no license seat"


def test_every_action_of_today_touches_the_hardware() -> None:
    assert all(action.needs_seat for action in ACTIONS)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"pending": RUNNING}, "busy: provision of job 7"),
        ({"pending": QUEUED}, "busy: provision of job 7"),
        ({"uid": ""}, "no UID yet"),
        ({"port": None}, "on no port"),
        ({"protocol": "modbus"}, "modbus devices cannot do this"),
        ({"port": "attic"}, "attic is gone: unplugged"),
    ],
)
def test_nothing_is_offered_where_something_is_in_the_way(action: Action, fields: dict[str, Any], said: str) -> None:
    circumstances = Circumstances(CIRCUMSTANCES.capabilities, {"attic": "attic is gone: unplugged"})
    offered = IN_STANDING[next(iter(action.offered_in))]
    assert refusal(action, device(**offered), circumstances) is None
    assert refusal(action, device(**{**offered, **fields}), circumstances) == said


def test_an_action_the_driver_cannot_do_is_not_offered() -> None:
    for action in ACTIONS:
        able = Circumstances({"lon": frozenset(Capability) - {action.capability}})
        assert refusal(action, device(**IN_STANDING[next(iter(action.offered_in))]), able) is not None
