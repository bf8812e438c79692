"""The command line on a site of fake devices: what is asked for before a job, and what there is to read afterwards."""

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.engine import jobs
from core.engine.server import serving
from core.errors import Exit, FieldhandError, Kind
from core.paths import StateDirectory
from core.rpc import AddPort
from drivers.base import Candidate, Found, PortError
from tests.core.conftest import Site
from tests.core.fake_driver import World, image
from tui.command_line import _common, _parser
from tui.commands.session import Session


class Shell:
    """Commands on a site, as an operator types them."""

    def __init__(self, site: Site, output: pytest.CaptureFixture[str]) -> None:
        self.site = site
        self._output = output

    async def run(self, *arguments: str) -> Exit:
        parsed = _parser(_common(), arguments[0]).parse_args(arguments)
        session = Session(self.site.directory, getattr(parsed, "json", False))
        code: Exit = await parsed.command(parsed, session)
        return code

    def said(self) -> str:
        return self._output.readouterr().out

    async def text(self, *arguments: str) -> str:
        """What a command that goes well says."""
        self.said()
        assert await self.run(*arguments) is Exit.DONE
        return self.said()

    async def json(self, *arguments: str) -> Any:
        return json.loads(await self.text(*arguments, "--json"))


@pytest.fixture
async def shell(directory: StateDirectory, world: World, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Shell]:
    site = Site(directory, world)
    await site.start()
    async with serving(site.engine, directory):
        yield Shell(site, capsys)
    await site.stop()


def types(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """An operator at a terminal."""
    there = io.StringIO("".join(f"{line}\n" for line in lines))
    monkeypatch.setattr(there, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", there)


@pytest.fixture
def vav(tmp_path: Path) -> Path:
    (tmp_path / "VAV.apb").write_bytes(image(program_id="P2", model=7))
    return tmp_path / "VAV.apb"


async def test_images_are_kept_shown_and_removed(shell: Shell, vav: Path) -> None:
    assert "VAV.apb is kept: fake fake" in await shell.text("image", "add", str(vav))
    assert "VAV.apb is there already" in await shell.text("image", "add", str(vav))
    (listed,) = await shell.json("image", "list")
    assert (listed["name"], listed["program_id"], listed["model"]) == ("VAV.apb", "P2", 7)
    assert await shell.json("image", "show", listed["sha256"][:10]) == listed
    assert "P2" in await shell.text("image", "list")
    await shell.text("image", "remove", "VAV.apb")
    assert "no images" in await shell.text("image", "list")


async def test_one_bad_file_keeps_all_of_them_out(shell: Shell, vav: Path) -> None:
    with pytest.raises(FieldhandError):
        await shell.run("image", "add", str(vav), str(vav.parent))
    assert await shell.json("image", "list") == []


async def test_an_image_for_another_program_needs_force_and_the_word_itself(
    shell: Shell, vav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (device,) = await shell.site.furnish("A1")
    shell.site.world.found = [Found("A1", "P1", model=7)]
    await shell.run("discover", "FT")
    await shell.run("image", "add", str(vav))

    with pytest.raises(FieldhandError, match="P1") as refused:
        await shell.run("load", "A1", "--image", "VAV.apb", "--yes")
    assert refused.value.kind is Kind.NOTHING_ELIGIBLE
    for typed in ("y", "yes", ""):
        types(monkeypatch, typed)
        assert await shell.run("load", "A1", "--image", "VAV.apb", "--force") is Exit.REFUSED
    assert shell.site.world.order == []

    types(monkeypatch, "load")
    assert "1 loaded" in await shell.text("load", "A1", "--image", "VAV.apb", "--force")
    assert (await shell.site.device(device)).program_id == "P2"
    assert "1 loaded" in await shell.text("load", "--all", "--image", "VAV.apb", "--force", "--yes")


async def test_a_device_shows_what_was_cut_off_and_its_journal_why(shell: Shell, vav: Path) -> None:
    await shell.site.furnish("A1")
    await shell.run("image", "add", str(vav))
    shell.site.world.device("A1").fail_at = "record 1"
    assert await shell.run("load", "A1", "--image", "VAV.apb", "--yes") is Exit.FAILED

    shown = await shell.json("device", "show", "A1")
    cut_off = shown["interrupted"]
    assert (cut_off["action"], cut_off["image"], cut_off["percent"]) == ("load", "VAV.apb", 25)
    assert "load of VAV.apb at 25 %" in await shell.text("device", "show", "A1")
    (task,) = await shell.json("device", "journal", "A1")
    assert [(step["step"], step["state"]) for step in task["steps"]] == [("identify", "done"), ("write", "failed")]
    assert task["steps"][1]["detail"][1:] == ["-> A1 hello", "<- A1 go away"]
    text = await shell.text("device", "journal", "A1")
    assert "    <- A1 go away" in text.splitlines()

    shell.site.world.device("A1").fail_at = None
    assert "1 loaded" in await shell.text("resume", "A1")
    shown = await shell.json("device", "show", "A1")
    assert (shown["interrupted"], shown["program_id"], shown["model"]) == (None, "P2", 7)


async def test_the_configuration_that_was_saved_is_printed(shell: Shell) -> None:
    await shell.site.furnish("A1")
    assert "nothing was done to it yet" in await shell.text("device", "journal", "A1")
    with pytest.raises(FieldhandError, match="no configuration was saved"):
        await shell.run("device", "snapshot", "A1")
    for value in (1, 2):
        shell.site.world.device("A1").configuration = [value]
        await shell.text("snapshot", "A1")
    printed = json.loads(await shell.text("device", "snapshot", "A1"))
    assert (printed["uid"], printed["version"], printed["configuration"]) == ("A1", 1, {"values": [2]})
    shown = await shell.json("device", "show", "A1")
    assert [snapshot["uid"] for snapshot in shown["snapshots"]] == ["A1", "A1"]


async def test_the_new_unit_is_the_one_whose_service_pin_is_pressed_next(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = await shell.site.furnish("A1", "A2")
    await shell.text("provision", "A1", "--yes")
    presses = shell.site.world.port.presses
    replacing = asyncio.create_task(shell.run("replace", "device A1", "--service-pin", "--yes"))
    said = ""
    while "press the service pin" not in said:
        await asyncio.sleep(0)
        said += capsys.readouterr().err
    for uid in ("A1", "A2", "B1"):
        presses.put_nowait(Found(uid))
    assert await replacing is Exit.DONE
    said = capsys.readouterr().err
    assert "A1 is device A1: waiting" in said
    assert "A2 is device A2: waiting" in said
    assert "B1 it is" in said
    assert (await shell.site.device(first)).uid == "B1"


async def test_what_is_to_be_done_by_hand_stands_in_the_plan(shell: Shell) -> None:
    (device,) = await shell.site.furnish("A1")
    await shell.text("device", "edit", "A1", "--program-id", "IOX")
    await shell.text("provision", "A1", "--yes")
    plan = ("replace", str(device), "--uid", "B1", "--dry-run")
    text = await shell.text(*plan)
    assert "  by hand  Press the button." in text.splitlines()
    assert "no configuration was saved" in text
    assert (await shell.json(*plan))["by_hand"] == ["Press the button.", "Wait for the light."]


@pytest.mark.parametrize(
    "command", ["replace A1", "replace A1 A2 --uid B1", "replace --all --uid B1", "replace A1 --uid B1 --service-pin"]
)
def test_a_replacement_is_of_one_device_by_one_unit(command: str) -> None:
    with pytest.raises(SystemExit) as refused:
        _parser(_common(), "replace").parse_args(command.split())
    assert refused.value.code == Exit.USAGE


async def test_cancelling_a_load_says_what_that_leaves_behind(
    shell: Shell, vav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PROGRESS_SECONDS", 0.0)
    await shell.site.furnish("A1")
    await shell.run("image", "add", str(vav))
    fake = shell.site.world.device("A1")
    fake.hang("record 2")
    job = str((await shell.json("load", "A1", "--image", "VAV.apb", "--yes", "--no-wait"))["job"])
    await shell.site.hangs(fake)
    assert "write, 50 %, 0.2 of 0.4 kB" in await shell.text("jobs", "show", job)
    assert "can leave 1 device without application" in await shell.text("jobs", "cancel", job)
    fake.let_go()
    await shell.site.end_of(int(job))


# ---- finding ports


async def test_port_find_lists_where_ports_may_be(shell: Shell) -> None:
    assert "no serial ports on this machine" in await shell.text("port", "find")
    shell.site.world.candidates = (
        Candidate("/dev/serial/by-id/usb-A", "/dev/ttyUSB7", "Maker Thing"),
        Candidate("/dev/ttyS9", "/dev/ttyS9", "built in", "process 12 (minicom)"),
    )
    await shell.site.client.call(AddPort(url="fake:///dev/ttyUSB7", name="FT-1"))
    text = await shell.text("port", "find")
    assert "FT-1" in text.splitlines()[1]
    assert "process 12 (minicom)" in text.splitlines()[2]
    first, second = await shell.json("port", "find")
    assert first["urls"][0] == {"as": "Fake, fast", "url": "fake:///dev/serial/by-id/usb-A"}
    assert (first["port"], second["port"], second["holder"]) == ("FT-1", "", "process 12 (minicom)")


async def test_port_find_tries_a_path_until_something_answers(shell: Shell) -> None:
    refusal = PortError(Kind.NOT_AN_INTERFACE, port="/dev/x", protocol="fake", reason="silence")
    shell.site.world.refusals = {"fake:///dev/x": refusal}
    text = await shell.text("port", "find", "--try", "/dev/x")
    assert "Fake, fast: /dev/x does not answer as a fake interface (silence)" in text
    assert "Fake, slow: a fake interface answers" in text
    assert "'fieldhand port add fake:///dev/x?slow=1 --name NAME' adds it" in text
    said = await shell.json("port", "find", "--try", "/dev/x")
    assert [one["answers"] for one in said["tried"]] == [False, True]
    assert shell.site.engine.ports == {}


async def test_a_path_where_nothing_answers_fails(shell: Shell) -> None:
    shell.site.world.absent = PortError(Kind.PORT_ABSENT, port="/dev/x", reason="it is a directory")
    assert await shell.run("port", "find", "--try", "/dev/x") is Exit.UNAVAILABLE
    assert shell.said().count("it is a directory") == 2
