"""What somebody sees who runs the README's first command and follows it, keys alone, in 80 columns."""

import os
from collections.abc import Callable

from tests.end_to_end.installation import FIELDHAND
from tests.end_to_end.terminals import Terminal


def test_the_demo_takes_an_operator_through_the_main_job(terminal: Callable[..., Terminal]) -> None:
    screen = terminal([*FIELDHAND, "demo"], dict(os.environ))
    screen.shows("48 devices", "worker", "seats 46/46", "unprovisioned")
    screen.press("/", "status:unprovisioned", "\r")
    screen.shows("of 48")

    screen.press(" ", " ", " ")
    screen.shows("3 selected")
    screen.press("p")
    screen.shows("3 devices", "Cancel", "Provision 3")
    screen.agrees("3 of 3 done")

    screen.press("\x1b")
    screen.shows("no filter")
    screen.press("2")
    screen.shows("offices", "plant", "roof", "air")
    screen.press("G", "p")
    screen.shows("Provision All Devices", "group roof", "Cancel")
    screen.agrees("2 Groups")

    screen.press("3")
    screen.shows("Provision All Devices", "Provision Selected", "done")
    screen.press("1", "/", "status:ok", "\r")
    screen.shows("● ok", "of 48")
    screen.press("u", "d")
    screen.shows("Deprovision 1")
    screen.agrees(": done")

    screen.press("q")
    assert screen.wait() == 0
