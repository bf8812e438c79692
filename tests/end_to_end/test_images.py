"""Images by file, on the command line: what is no image is refused in one line, and nothing waits for it."""

import os
from pathlib import Path

import pytest

from core.images import LARGEST_IMAGE
from tests.end_to_end.installation import Installation


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
