from __future__ import annotations

import pytest

from core.actions import ACTIONS, Scope
from tui.model.columns import GAP, share
from tui.screens import discover, events, file_picker, groups, history, job, jobs, licenses, load, palette, ports
from tui.widgets import device_table, image_table

LISTS = {
    "devices": (device_table.COLUMNS, 4),
    "groups": (groups.COLUMNS, 2),
    "jobs": (jobs.COLUMNS, 2),
    "tasks": (job.COLUMNS, 2),
    "found": (discover.COLUMNS, 2),
    "palette": (palette.columns([action.title(Scope.GROUP) for action in ACTIONS]), 2),
    "images": (image_table.COLUMNS, 2),
    "targets": (load.TARGETS, 2),
    "licenses": (licenses.COLUMNS, 2),
    "ports": (ports.COLUMNS, 2),
    "events": (events.COLUMNS, 2),
    "history": (history.COLUMNS, 2),
    "files": (file_picker.COLUMNS, 2),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("width", [40, 60, 79, 80, 119, 199, 400])
def test_columns_never_overlap_and_never_leave_the_screen(name: str, width: int) -> None:
    columns, indent = LISTS[name]
    places = share(columns, width, indent)
    x = indent
    for place in places:
        assert place.start == x
        assert 1 <= place.width <= place.column.most
        x += place.width + GAP
    assert x - GAP <= width


@pytest.mark.parametrize("width", range(30, 200))
def test_status_and_name_never_drop_and_a_uid_is_there_in_full_or_not_at_all(width: int) -> None:
    widths = {place.column.name: place.width for place in share(device_table.COLUMNS, width, 4)}
    assert {"status", "name"} <= widths.keys()
    assert widths.get("uid", 12) == 12


def test_eighty_columns_show_status_name_uid_group_address_and_age() -> None:
    shown = [place.column.name for place in share(device_table.COLUMNS, 79, 4)]
    assert shown == ["status", "name", "uid", "group", "address", "seen"]


def test_luxury_columns_wait_until_the_others_are_comfortable() -> None:
    for width in range(80, 200):
        places = {place.column.name: place for place in share(device_table.COLUMNS, width, 4)}
        if "port" in places:
            assert places["name"].width >= places["name"].column.good
