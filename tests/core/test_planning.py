"""A plan says what would be done, and nothing happens."""

import copy
from dataclasses import replace

import pytest

from core.actions import BY_NAME, Scope
from core.models import Device, Interrupted, Pausing, StoredImage
from core.planning import PORT_OVERHEAD_SECONDS, MonitoringPlan, Plan, plan
from drivers.base import Estimate, NetworkState
from tests.core.devices import RUNNING, conditions, device

PROVISION, DEPROVISION, WINK = BY_NAME["provision"], BY_NAME["deprovision"], BY_NAME["wink"]
NEW = {"state": NetworkState.UNPROVISIONED}


def test_the_same_devices_and_circumstances_give_the_same_plan() -> None:
    devices = [device(id=1, **NEW), device(id=2)]
    at_hand = conditions()
    before = copy.deepcopy((devices, at_hand))
    first = plan(PROVISION, devices, {}, at_hand)
    assert plan(PROVISION, devices, {}, at_hand) == first
    assert (devices, at_hand) == before


def test_every_device_is_either_planned_or_skipped_with_a_reason() -> None:
    devices = [device(id=1, **NEW), device(id=2), device(id=3), device(id=4, pending=RUNNING), device(id=5, port=None)]
    made = plan(PROVISION, devices, {}, conditions())
    assert [planned.device for planned in made.devices] == [1]
    assert [(skipped.device, skipped.reason) for skipped in made.skipped] == [
        (2, "already provisioned"),
        (3, "already provisioned"),
        (4, "busy: provision of job 7"),
        (5, "on no port"),
    ]
    assert made.reasons[0] == ("already provisioned", 2)


def test_missing_seats_are_counted() -> None:
    devices = [device(id=number, licensed=number < 3, **NEW) for number in range(5)]
    made = plan(PROVISION, devices, {}, conditions())
    assert (len(made.devices), made.seats_short) == (3, 2)
    assert made.reasons == [("no license seat", 2)]


def test_a_device_skipped_for_another_reason_is_short_of_no_seat() -> None:
    assert plan(PROVISION, [device()], {}, conditions()).seats_short == 0


def test_ports_work_side_by_side_so_the_slowest_one_counts() -> None:
    devices = [device(id=number, port="FT" if number < 3 else "attic", **NEW) for number in range(4)]
    made = plan(PROVISION, devices, {}, conditions(seconds=2.0))
    assert made.ports == ("FT", "attic")
    assert made.seconds == 3 * 2.0 + PORT_OVERHEAD_SECONDS


def test_what_is_repeated_takes_so_many_times_as_long() -> None:
    made = plan(BY_NAME["test"], [device()], {"count": 5}, conditions(seconds=2.0))
    assert made.seconds == 5 * 2.0 + PORT_OVERHEAD_SECONDS


def load(*devices: Device, action: str = "load", size: int = 1000) -> Plan:
    image = StoredImage("AA", "VAV.apb", "lon", "apb", None, None, None, False, size, 0.0, "olga", 1)
    at_hand = replace(conditions(), estimate=lambda device, image: Estimate(2.0, image.size if image else 0.0))
    parameters = {"image": "AA", "force": False} if action == "load" else {}
    return plan(BY_NAME[action], devices, parameters, replace(at_hand, images={"AA": image}))


def test_what_goes_to_all_devices_at_once_counts_once_on_each_port() -> None:
    here, there = [device(id=number) for number in range(3)], device(id=3, port="attic")
    assert load(*here, there).seconds == 1000 + 3 * 2.0 + PORT_OVERHEAD_SECONDS


def test_a_load_that_was_cut_off_takes_as_long_as_what_is_left_of_it() -> None:
    cut_off = device(interrupted=Interrupted("load", "VAV.apb", "AA", 75))
    assert load(cut_off, action="resume").seconds == 250 + 0.5 + PORT_OVERHEAD_SECONDS


def test_nothing_to_do_takes_no_time() -> None:
    made = plan(PROVISION, [], {}, conditions())
    assert (made.devices, made.ports, made.seconds) == ((), (), 0.0)


def test_a_closed_port_is_the_reason() -> None:
    made = plan(PROVISION, [device(**NEW)], {}, conditions(closed={"FT": "FT is gone"}))
    assert made.reasons == [("FT is gone", 1)]


def test_devices_of_another_tool_are_warned_of_with_their_number() -> None:
    devices = [device(id=1), device(id=2, ours=False), device(id=3, ours=False)]
    (warning,) = plan(DEPROVISION, devices, {}, conditions()).warnings
    assert warning.startswith("2 provisioned by another tool")


def test_there_is_no_warning_where_nobody_gives_reason_to() -> None:
    assert plan(DEPROVISION, [device()], {}, conditions()).warnings == ()
    assert plan(PROVISION, [device(ours=False)], {}, conditions()).warnings == ()


def test_a_plan_says_whether_it_has_to_be_agreed_to() -> None:
    assert not plan(WINK, [device()], {}, conditions(), Scope.DEVICE).asks
    assert plan(WINK, [device(id=1), device(id=2)], {}, conditions()).asks
    assert plan(WINK, [device()], {}, conditions(), Scope.GROUP, "group roof").asks


@pytest.mark.parametrize(
    ("pausing", "events", "monitoring"),
    [
        (Pausing.ASK, 12.44, MonitoringPlan(12.4, pauses=True, asks=True)),
        (Pausing.AUTO, 12.44, MonitoringPlan(12.4, pauses=True, asks=False)),
        (Pausing.NEVER, 12.44, MonitoringPlan(12.4, pauses=False, asks=False)),
        (Pausing.ASK, 10.0, MonitoringPlan(10.0, pauses=False, asks=False)),
        (Pausing.AUTO, 0.0, MonitoringPlan(0.0, pauses=False, asks=False)),
    ],
)
def test_a_pause_is_proposed_above_the_threshold_as_the_site_wants_it(
    pausing: Pausing, events: float, monitoring: MonitoringPlan
) -> None:
    there = conditions(events_per_second={"FT": events, "attic": 99.0}, pausing=pausing, pause_above=10.0)
    assert plan(PROVISION, [device(**NEW)], {}, there).monitoring == monitoring


def test_the_events_of_all_ports_of_the_plan_count() -> None:
    there = conditions(events_per_second={"FT": 6.0, "attic": 7.0, "roof": 8.0}, pause_above=10.0)
    both = plan(PROVISION, [device(id=1, port="FT", **NEW), device(id=2, port="attic", **NEW)], {}, there)
    assert both.monitoring == MonitoringPlan(13.0, pauses=True, asks=True)


def test_an_action_that_leaves_monitoring_alone_says_nothing_of_it() -> None:
    assert plan(WINK, [device()], {}, conditions(events_per_second={"FT": 99.0})).monitoring is None


def test_a_replacement_says_how_old_the_configuration_is() -> None:
    known = replace(conditions(), snapshots={1: 1000.0}, now=1000.0 + 3 * 86_400 + 7200)
    for seconds, said in ((0, "just now"), (90, "1 minute ago"), (7200, "2 hours ago"), (270_000, "3 days ago")):
        there = replace(known, now=1000.0 + seconds)
        (warning,) = plan(BY_NAME["replace"], [device()], {"uid": "B1", "force": False}, there).warnings
        assert warning.endswith(said)


def test_a_load_that_was_cut_off_goes_on_only_while_its_image_is_there() -> None:
    left = device(application=False, interrupted=Interrupted("load", "VAV.apb", "aa", 34))
    made = plan(BY_NAME["resume"], [left], {}, conditions())
    assert made.reasons == [("VAV.apb is not in the repository any more", 1)]
    restoring = device(interrupted=Interrupted("restore", "", "", 0))
    assert plan(BY_NAME["resume"], [restoring], {}, conditions()).reasons == [("nothing was cut off", 1)]


@pytest.mark.parametrize(("devices", "typed"), [(0, ""), (1, ""), (2, "remove")])
def test_removing_many_takes_the_word(devices: int, typed: str) -> None:
    chosen = [device(id=number) for number in range(1, devices + 1)]
    assert plan(BY_NAME["remove"], chosen, {"ignore": False}, conditions()).typed == typed
    assert plan(PROVISION, chosen, {}, conditions()).typed == ""
