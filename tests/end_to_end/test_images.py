"""Images by file, on the command line: what is no image is refused in one line, and nothing waits for it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.images import LARGEST_IMAGE
from tests.drivers.lon.images import PROGRAM_ID, build_apb
from tests.end_to_end.installation import Field, Installation
from tests.end_to_end.terminals import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Everything that can go by the name of an image."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "empty.apb").touch()
    (folder / "text.apb").write_text("not an image\n")
    (folder / "nameless").write_bytes(b"\x00\x01\x02")
    with (folder / "large.apb").open("wb") as file:
        file.truncate(LARGEST_IMAGE + 1)
    os.mkfifo(folder / "pipe.apb")
    (tmp_path / "secret").write_text("secret\n")
    (folder / "astray.apb").symlink_to(tmp_path / "secret")
    (folder / "around.apb").symlink_to("around.apb")
    return folder


def test_what_is_no_image_is_refused_with_the_reason(installation: Installation, folder: Path) -> None:
    for name, said in (
        ("", "it is a directory"),
        ("gone.apb", "No such file"),
        ("empty.apb", "it is empty"),
        ("large.apb", "larger than 16 MB"),
        ("pipe.apb", "it is a pipe"),
        ("astray.apb", "a link out of its folder"),
        ("around.apb", "a link to itself"),
        ("text.apb", "image text.apb: "),
        ("nameless", "image nameless: "),
    ):
        assert said in installation.refusal("image", "add", str(folder / name), code=2)
    assert "it is a device" in installation.refusal("image", "add", "/dev/zero", code=2)
    assert installation.json("image", "list") == []
    assert not (installation.directory / "images").exists()


def test_an_image_that_is_not_there_is_not_shown_removed_or_loaded(installation: Installation) -> None:
    for command in ("image show VAV.apb", "image remove VAV.apb", "load --all --image VAV.apb --yes"):
        assert "no image 'VAV.apb'" in installation.refusal(*command.split(), code=2)


def test_an_image_for_another_program_is_forced_stopped_half_way_and_resumed(
    installation: Installation, field: Callable[..., Field], tmp_path: Path
) -> None:
    there = field("--lon", "1", "--rate", "ft10")
    installation.set_up(there)
    installation.run("provision", "--all", "--yes")
    (before,) = installation.devices()
    file = tmp_path / "VAV.apb"
    file.write_bytes(build_apb())
    (added,) = installation.json("image", "add", str(file))
    assert added["program_id"] == PROGRAM_ID.hex().upper()
    load = ("load", "--all", "--image", "VAV.apb", "--yes")
    said = installation.refusal(*load, code=3)
    assert added["program_id"] in said
    assert before["program_id"] in said

    job = installation.json(*load, "--force", "--no-wait")["job"]
    eventually(lambda: "kB/s" in installation.run("jobs", "show", str(job)).stdout)
    assert "is in use" in installation.refusal("image", "remove", "VAV.apb", code=3)
    assert installation.json("jobs", "cancel", str(job))["left_without_application"] == 1
    (task,) = installation.wait_for_job(job)["tasks"]
    assert "of VAV.apb" in task["reason"]
    shown = installation.json("device", "show", before["uid"])
    assert shown["status"] == "no application"
    assert shown["reason"] == f"load of VAV.apb cut off at {shown['interrupted']['percent']} %: resume load"

    assert installation.json("resume", "--all", "--yes")["done"] == 1
    (after,) = installation.devices()
    assert (after["status"], after["address"]) == ("ok", before["address"])
    assert after["program_id"] == added["program_id"] == there.truth()[before["uid"]]["program_id"]
    installation.run("image", "remove", "VAV.apb")
    assert list((installation.directory / "images").iterdir()) == []
