"""A newcomer in an 80x24 terminal: from nothing to five devices provisioned, by what the screens say alone."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installation import FIELDHAND, Field, Installation
from tests.end_to_end.terminals import Terminal, eventually
from tui.screens.dialog import DEAF_SECONDS

NAMES = {"Enter": "\r", "Space": " ", "Esc": "\x1b"}
"""Keys as the screens name them, and as a terminal sends them."""


READING_SECONDS = DEAF_SECONDS + 0.2
"""A person looks before the next key; a dialog that can be seen hears after this long."""


class Newcomer:
    """Presses nothing that the screen does not name just then."""

    def __init__(self, screen: Terminal) -> None:
        self.screen = screen

    def press(self, key: str, word: str) -> None:
        """A key that is named, with this word behind it."""
        named = re.compile(rf"(?<!\w){re.escape(key)}(?!\w)[ ,:]+{re.escape(word)}")
        eventually(
            lambda: bool(named.search(self.screen.text)), lambda: f"{key} {word} is not named on\n{self.screen.text}"
        )
        time.sleep(READING_SECONDS)
        self.screen.press(NAMES.get(key, key))


@pytest.fixture
def newcomer(installation: Installation, terminal: Callable[..., Terminal]) -> Iterator[Newcomer]:
    yield Newcomer(terminal(FIELDHAND, installation.environment))


def test_a_newcomer_practises_without_hardware(newcomer: Newcomer, installation: Installation) -> None:
    screen = newcomer.screen
    screen.shows("No port yet", "No license yet")
    newcomer.press("v", "adds a virtual field")
    newcomer.press("Enter", "adopt")
    screen.shows("devices adopted from virtual: Space selects, p provisions", "unprovisioned")
    for count in range(1, 6):
        newcomer.press("Space", "select")
        screen.shows(f"{count} selected")
    newcomer.press("p", "provision")
    screen.shows("Provision Selected: 5 devices")
    newcomer.press("y", "agree")
    screen.shows("5 of 5 done")

    provisioned = [device for device in installation.devices() if device["state"] == "provisioned"]
    assert len(provisioned) == 5
    screen.press("q")
    assert screen.wait() == 0
    field = installation.directory / "field"
    eventually(lambda: not (field / "lon0").is_symlink(), lambda: "the virtual field goes on without its console")


def test_the_next_console_gets_its_virtual_field_back(
    newcomer: Newcomer, installation: Installation, terminal: Callable[..., Terminal]
) -> None:
    newcomer.press("v", "adds a virtual field")
    newcomer.press("Enter", "adopt")
    newcomer.press("p", "provision")
    newcomer.screen.shows(": done")
    (provisioned,) = [device["uid"] for device in installation.devices() if device["status"] == "ok"]
    newcomer.screen.kill()
    field = installation.directory / "field"
    eventually(lambda: not (field / "lon0").is_symlink(), lambda: "the virtual field outlives a console that is killed")

    again = terminal(FIELDHAND, installation.environment)
    again.shows("the virtual field has started afresh", "devices are as new again", "1/1 ports")
    (now,) = [device for device in installation.devices() if device["uid"] == provisioned]
    assert now["status"] == "unprovisioned"


def test_a_newcomer_adds_an_interface_by_its_path(
    newcomer: Newcomer, installation: Installation, field: Callable[..., Field]
) -> None:
    screen = newcomer.screen
    path = field("--lon", "5").url().removeprefix("lon://")
    newcomer.press("n", "another port")
    screen.shows("Add a port")
    time.sleep(READING_SECONDS)
    screen.press(path)
    screen.shows("as typed")
    screen.press("\r")
    screen.shows("What is on lon0", "not tried yet")
    newcomer.press("Enter", "open it as this")
    screen.shows("A LON network interface answers")
    newcomer.press("Enter", "Add and search it")
    newcomer.press("Enter", "adopt 5")
    screen.shows("unlicensed until a license is added: 5 Licenses, n")
    newcomer.press("5", "Licenses")
    screen.shows("n  adds a license file")
    assert [port["name"] for port in installation.json("port", "list")] == ["LON-1"]


def test_what_answers_on_a_port_is_told_without_a_screen(
    installation: Installation, field: Callable[..., Field]
) -> None:
    path = field("--lon", "3").url().removeprefix("lon://")
    said = installation.json("port", "find", "--try", path)
    assert said["tried"][0]["url"] == f"lon://{path}"
    assert said["tried"][0]["said"].startswith("a LON network interface answers, Neuron ID ")
    assert installation.json("port", "list") == []
    installation.run("port", "add", said["tried"][-1]["url"], "--name", "FT-1")
    assert "already as 'FT-1'" in installation.refusal("port", "find", "--try", path, code=2)


def test_a_demo_that_is_killed_leaves_no_worker_and_no_field(
    terminal: Callable[..., Terminal], installation: Installation
) -> None:
    screen = terminal([*FIELDHAND, "demo"], installation.environment)
    screen.shows("48 devices")
    children = _of_demo(screen.pid)
    assert len(children) == 2, children
    screen.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), lambda: _commands(children))


def _of_demo(pid: int) -> list[int]:
    """The processes that the demo has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True)
    return [int(line) for line in found.stdout.split()]


def _commands(pids: list[int]) -> list[str]:
    return [path.read_text() for pid in pids if (path := Path(f"/proc/{pid}/cmdline")).exists()]
