from __future__ import annotations

import pytest

from tests.tui.model.devices import row
from tui.model.devices import SORTS, DeviceList
from tui.model.filter import NOTHING, parse


@pytest.fixture
def devices() -> DeviceList:
    devices = DeviceList()
    devices.replace(
        [
            row(1, "AHU-10", group="roof"),
            row(2, "AHU-2", group="roof", address="1/10"),
            row(3, "boiler", group="cellar", address="1/9"),
            row(4, "Exhaust"),
        ]
    )
    return devices


def names(devices: DeviceList) -> list[str]:
    return [devices.rows[identity].device.name for identity in devices.view]


def test_names_are_sorted_as_people_count(devices: DeviceList) -> None:
    assert names(devices) == ["AHU-2", "AHU-10", "boiler", "Exhaust"]


def test_what_has_no_value_is_last_whichever_way_it_is_sorted(devices: DeviceList) -> None:
    devices.set_sort("address")
    assert names(devices) == ["boiler", "AHU-2", "AHU-10", "Exhaust"]
    devices.set_sort("address", reverse=True)
    assert names(devices) == ["AHU-2", "boiler", "AHU-10", "Exhaust"]


@pytest.mark.parametrize("column", SORTS)
def test_every_column_can_be_sorted_by(devices: DeviceList, column: str) -> None:
    devices.set_sort(column)
    assert sorted(names(devices)) == sorted(["AHU-2", "AHU-10", "boiler", "Exhaust"])


def test_the_cursor_stays_on_its_device_when_the_list_is_sorted(devices: DeviceList) -> None:
    devices.move_to(2)
    devices.set_sort("name", reverse=True)
    assert devices.current is not None
    assert devices.current.name == "boiler"
    assert devices.index == 1


def test_the_cursor_goes_to_the_next_when_its_device_is_filtered_away(devices: DeviceList) -> None:
    devices.move_to(1)
    devices.set_filter(parse("!name:ahu-10"))
    assert devices.current is not None
    assert devices.current.name == "boiler"


def test_a_selected_device_hidden_by_the_filter_stays_selected_and_is_counted(devices: DeviceList) -> None:
    devices.select_shown()
    devices.set_filter(parse("group:roof"))
    assert (len(devices.selected), devices.hidden) == (4, 2)
    assert devices.chosen() == (2, 1, 3, 4)


def test_without_a_selection_the_device_under_the_cursor_is_meant(devices: DeviceList) -> None:
    devices.move_to(3)
    assert devices.chosen() == (4,)


def test_nothing_is_meant_when_nothing_is_shown(devices: DeviceList) -> None:
    devices.set_filter(parse("nosuch"))
    assert devices.chosen() == ()
    assert devices.current is None


def test_select_all_takes_only_what_the_filter_shows(devices: DeviceList) -> None:
    devices.set_filter(parse("roof"))
    devices.select_shown()
    assert devices.selected == {1, 2}


def test_inverting_leaves_what_is_hidden_alone(devices: DeviceList) -> None:
    devices.selected = {1, 4}
    devices.set_filter(parse("roof"))
    devices.invert_shown()
    assert devices.selected == {2, 4}


def test_a_range_follows_the_cursor_back_and_forth(devices: DeviceList) -> None:
    devices.move_to(3)
    devices.toggle()
    devices.move_to(0)
    devices.begin_range()
    devices.move_to(2)
    assert devices.selected == {2, 1, 3, 4}
    devices.move_to(1)
    assert devices.selected == {2, 1, 4}


def test_a_change_that_moves_nothing_says_so(devices: DeviceList) -> None:
    change = devices.update([row(4, "Exhaust", rev=2)])
    assert change.ids == {4}
    assert not change.moved


def test_a_device_that_no_longer_matches_leaves_and_one_that_does_comes(devices: DeviceList) -> None:
    devices.set_filter(parse("status:unprovisioned"))
    assert names(devices) == ["AHU-10", "Exhaust"]
    assert devices.update([row(1, "AHU-10", address="1/1"), row(3, "boiler")]).moved
    assert names(devices) == ["boiler", "Exhaust"]


def test_a_new_device_takes_its_place_in_the_order(devices: DeviceList) -> None:
    assert devices.update([row(5, "AHU-3")]).moved
    assert names(devices) == ["AHU-2", "AHU-3", "AHU-10", "boiler", "Exhaust"]


def test_devices_that_are_gone_are_selected_no_longer(devices: DeviceList) -> None:
    devices.select_shown()
    devices.replace([row(1, "AHU-10")])
    assert devices.selected == {1}
    assert devices.filter is NOTHING
