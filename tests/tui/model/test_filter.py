from __future__ import annotations

import pytest

from tests.tui.model.devices import row
from tui.model.filter import exactly, parse

AHU = row(1, "AHU-03 supply fan", group="roof", firmware=21)
BOILER = row(2, "Boiler 1", group="plant room", address="1/41", firmware=2)
DARK = row(3, "Exhaust", group="roof 2", application=False)
ALL = {"ahu": AHU, "boiler": BOILER, "dark": DARK}


def shown(text: str) -> set[str]:
    wanted = parse(text)
    return {name for name, candidate in ALL.items() if wanted.matches(candidate.texts())}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"ahu", "boiler", "dark"}),
        ("   ", {"ahu", "boiler", "dark"}),
        ("fan", {"ahu"}),
        ("FAN", {"ahu"}),
        ("roof fan", {"ahu"}),
        ("!roof", {"boiler"}),
        ("1/41", {"boiler"}),
        ("00d07115", {"ahu", "boiler", "dark"}),
        ("00:D0:71:15:09:02", {"boiler"}),
        ("group:roof", {"ahu", "dark"}),
        ('group:"roof"', {"ahu"}),
        ('group:"plant room"', {"boiler"}),
        ("group:roof,plant", {"ahu", "boiler", "dark"}),
        ("status:unprov", {"ahu"}),
        ("!status:ok", {"ahu", "dark"}),
        ('status:"no application"', {"dark"}),
        ("name:boiler", {"boiler"}),
        ("uid:01", {"ahu"}),
        ("port:FT-1 group:plant", {"boiler"}),
        ("group:", {"ahu", "boiler", "dark"}),
        ('group:"roo', set()),
        ("nothing:here", set()),
        ("ahsu", {"ahu"}),
        ("name:ah3f", {"ahu"}),
        ("group:plro", set()),
        ("!ahsu", {"ahu", "boiler", "dark"}),
        ("fw:<2.1", {"boiler"}),
        ("fw:>=2.1", {"ahu"}),
        ("!fw:<2.1", {"ahu", "dark"}),
        ("FW:>20 roof", {"ahu"}),
        ("address:>1/5", {"boiler"}),
        ("nothing:<2", set()),
        ("fw:<", {"ahu", "boiler", "dark"}),
    ],
)
def test_a_filter_shows_what_it_says(text: str, expected: set[str]) -> None:
    assert shown(text) == expected


def test_a_group_with_quotes_and_commas_in_its_name_can_be_named_exactly() -> None:
    name = 'the "old", one \\ two'
    odd = row(9, "x", group=name)
    assert parse(exactly("group", name)).matches(odd.texts())
    assert not parse(exactly("group", name)).matches(AHU.texts())


def test_a_filter_with_a_term_more_narrows() -> None:
    assert parse("roof fan").narrows(parse("roof"))
    assert not parse("roo").narrows(parse("roof"))
