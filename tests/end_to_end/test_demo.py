"""What somebody sees who runs the README's first command and follows it, keys alone, in 80 columns."""

import os
from collections.abc import Callable

from tests.end_to_end.installation import FIELDHAND, Terminal, eventually


def test_the_demo_takes_an_operator_through_the_main_job(terminal: Callable[..., Terminal]) -> None:
    screen = terminal([*FIELDHAND, "demo"], dict(os.environ))
    screen.shows("48 devices", "worker", "seats 46/46", "unprovisioned")
    screen.press("/", "status:unprovisioned", "\r")
    screen.shows("of 48")

    screen.press(" ", " ", " ")
    screen.shows("3 selected")
    screen.press("p")
    screen.shows("3 devices", "Cancel", "Provision 3")
    agree(screen, until="3 of 3 done")

    screen.press("\x1b")
    screen.shows("no filter")
    screen.press("2")
    screen.shows("offices", "plant", "roof", "air")
    screen.press("G", "p")
    screen.shows("Provision All Devices", "group roof", "Cancel")
    agree(screen, until="Provision")

    screen.press("3")
    screen.shows("Provision All Devices", "Provision Selected", "done")
    screen.press("1", "/", "status:ok", "\r")
    screen.shows("● ok")
    screen.press("u", "d")
    screen.shows("Deprovision 1")
    agree(screen, until=": done")

    screen.press("q")
    assert screen.wait() == 0


def agree(screen: Terminal, until: str) -> None:
    """A dialog is deaf at first: once it is there as a whole, agree until it has heard."""
    screen.shows("Cancel")

    def heard() -> bool:
        if "Cancel" in screen.text:
            screen.press("y")
        return "Cancel" not in screen.text and until in screen.text

    eventually(heard, lambda: screen.text)
