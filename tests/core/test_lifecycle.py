"""One word for the eye, and the reason why something is not offered."""

from typing import Any

import pytest

from core.actions import ACTIONS, BY_NAME, Action
from core.lifecycle import Circumstances, Standing, Status, is_told_of_removal, reason, refusal, standing, status
from core.lifecycle import circumstances as circumstances_of
from core.models import Health, Mode, Site
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


def test_only_removing_does_without_a_seat() -> None:
    assert [action.name for action in ACTIONS if not action.needs_seat] == ["remove"]


ON_THE_WIRE = [action for action in ACTIONS if not action.removes]


@pytest.mark.parametrize("action", ON_THE_WIRE, ids=lambda action: action.name)
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
    for action in ON_THE_WIRE:
        able = Circumstances({"lon": frozenset(Capability) - {action.capability}})
        assert refusal(action, device(**IN_STANDING[next(iter(action.offered_in))]), able) is not None


REMOVE = BY_NAME["remove"]


@pytest.mark.parametrize("where", Standing)
@pytest.mark.parametrize("fields", [{"uid": ""}, {"port": None}, {"port": "attic"}, {"licensed": False}])
def test_a_record_can_always_be_removed(where: Standing, fields: dict[str, Any]) -> None:
    circumstances = Circumstances(CIRCUMSTANCES.capabilities, {"attic": "attic is gone: unplugged"})
    assert refusal(REMOVE, device(**{**IN_STANDING[where], **fields}), circumstances) is None


def test_a_device_that_is_worked_on_is_not_removed() -> None:
    assert refusal(REMOVE, device(pending=RUNNING), CIRCUMSTANCES) == "busy: provision of job 7"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, True),
        ({"ours": False}, False),
        ({"state": NetworkState.UNPROVISIONED}, False),
        ({"application": False}, False),
        ({"uid": ""}, False),
        ({"port": None}, False),
        ({"port": "attic"}, False),
        ({"licensed": False}, False),
        ({"protocol": "modbus"}, False),
    ],
)
def test_only_a_device_that_is_ours_and_can_be_reached_is_told_of_its_removal(
    fields: dict[str, Any], told: bool
) -> None:
    circumstances = Circumstances(CIRCUMSTANCES.capabilities, {"attic": "attic is gone: unplugged"})
    assert is_told_of_removal(device(**fields), circumstances) is told


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_where_another_tool_manages_the_network_nothing_that_changes_it_is_offered(action: Action) -> None:
    site = Site("plant", "55", 1, 126, mode=Mode.IMM)
    where = device(**IN_STANDING[next(iter(action.offered_in))])
    imm = circumstances_of(site, CIRCUMSTANCES.capabilities, frozenset({"lon"}))
    said = "another tool manages this network (IMM)" if action.changes_network else None
    assert refusal(action, where, imm) == said
    assert not is_told_of_removal(device(), imm)


def test_the_mode_of_the_site_is_about_protocols_with_other_tools_only() -> None:
    site = Site("plant", "55", 1, 126, mode=Mode.IMM)
    imm = circumstances_of(site, CIRCUMSTANCES.capabilities, frozenset())
    assert refusal(BY_NAME["deprovision"], device(), imm) is None


@pytest.mark.parametrize("action", ON_THE_WIRE, ids=lambda action: action.name)
def test_nothing_is_offered_for_a_protocol_the_site_does_not_have(action: Action) -> None:
    site = Site("plant", "55", 1, 126, without=("lon",))
    where = device(**IN_STANDING[next(iter(action.offered_in))])
    absent = circumstances_of(site, CIRCUMSTANCES.capabilities, frozenset())
    assert refusal(action, where, absent) == "the site has no lon"


def test_there_is_nothing_to_resume_where_nothing_was_cut_off() -> None:
    assert refusal(BY_NAME["resume"], device(interrupted=None), CIRCUMSTANCES) == "nothing was cut off"
