"""Image files: whatever a path leads to, what is kept of it, and for which devices it is."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import images
from core.errors import FieldhandError, Kind
from core.images import LARGEST_IMAGE, Repository, read_file, refusal, warnings
from core.models import StoredImage
from core.text import LONGEST_NAME
from tests.core.devices import device


def stored(**fields: Any) -> StoredImage:
    """An image for exactly the device below, but for these fields."""
    known: dict[str, Any] = {
        "sha256": "00",
        "name": "VAV.apb",
        "protocol": "lon",
        "type": "apb",
        "program_id": "9A",
        "model": 7,
        "firmware": 3,
        "opaque": False,
        "size": 1,
        "added_at": 0.0,
        "added_by": "olga",
        "rev": 1,
    }
    return StoredImage(**known | fields)


VAV = device(program_id="9A", model=7, firmware=3)


def why(path: Path) -> tuple[Kind, str]:
    with pytest.raises(FieldhandError) as refused:
        read_file(path)
    return refused.value.kind, str(refused.value)


@given(st.text(), st.binary())
def test_any_name_and_any_bytes_are_an_image_or_refused(name: str, data: bytes) -> None:
    try:
        image = images.image(name, data)
    except FieldhandError as refused:
        assert refused.kind in (Kind.IMAGE, Kind.INVALID)
    else:
        assert image.name.isprintable()
        assert not set(image.name) & set("/\\")
        assert 0 < len(image.name) <= LONGEST_NAME


# ---- reading a file


def test_a_file_is_read_with_its_name_and_its_hash(tmp_path: Path) -> None:
    (tmp_path / "VAV.apb").write_bytes(b"abc")
    read = read_file(tmp_path / "VAV.apb")
    assert (read.name, read.data) == ("VAV.apb", b"abc")
    assert read.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_image_may_be_as_large_as_the_limit_and_no_larger(tmp_path: Path) -> None:
    for size in (LARGEST_IMAGE, LARGEST_IMAGE + 1):
        with (tmp_path / str(size)).open("wb") as file:
            file.truncate(size)
    assert len(read_file(tmp_path / str(LARGEST_IMAGE)).data) == LARGEST_IMAGE
    kind, said = why(tmp_path / str(LARGEST_IMAGE + 1))
    assert (kind, "larger than 16 MB" in said) == (Kind.IMAGE, True)


def test_what_is_no_file_is_refused_by_what_it_is_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    there = socket.socket(socket.AF_UNIX)
    there.bind(str(tmp_path / "socket"))
    (tmp_path / "empty").touch()
    expected = {
        tmp_path: (Kind.FILE, "it is a directory"),
        tmp_path / "pipe": (Kind.FILE, "it is a pipe"),
        tmp_path / "socket": (Kind.FILE, "it is a socket"),
        Path("/dev/zero"): (Kind.FILE, "it is a device"),
        tmp_path / "nothing": (Kind.FILE, "No such file"),
        tmp_path / "empty" / "x": (Kind.FILE, "Not a directory"),
        tmp_path / ("x" * 300): (Kind.FILE, "too long"),
        Path("a\0b"): (Kind.FILE, "null"),
        tmp_path / "empty": (Kind.IMAGE, "it is empty"),
    }
    for path, (kind, reason) in expected.items():
        found, said = why(path)
        assert (found, reason in said) == (kind, True), said
    there.close()


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"abc")

    def denied(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)  # root may read everything
    assert why(tmp_path / "x") == (Kind.FILE, f"{tmp_path / 'x'}: Permission denied")


@pytest.mark.parametrize("size", [1, 10])
def test_a_file_that_grows_or_shrinks_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    file = tmp_path / "VAV.apb"
    file.write_bytes(b"abc")
    look = os.fstat

    def looked(handle: int) -> os.stat_result:
        before = look(handle)
        os.truncate(file, size)
        return before

    monkeypatch.setattr(os, "fstat", looked)
    kind, said = why(file)
    assert (kind, "changes while it is read" in said) == (Kind.FILE, True)


def test_a_file_that_is_exchanged_at_the_last_moment_is_neither_waited_for_nor_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, secret = tmp_path / "VAV.apb", tmp_path / "secret"
    secret.write_bytes(b"secret")
    really_open = os.open
    for exchange, said in ((lambda: os.mkfifo(file), "it is a pipe"), (lambda: file.symlink_to(secret), "levels")):
        file.unlink(missing_ok=True)
        file.write_bytes(b"abc")

        def opened(path: Path, flags: int, exchange: Callable[[], None] = exchange) -> int:
            file.unlink()
            exchange()
            return really_open(path, flags)

        monkeypatch.setattr(os, "open", opened)
        kind, reason = why(file)
        assert (kind, said in reason) == (Kind.FILE, True), reason


def test_a_link_is_followed_within_its_own_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    secret = tmp_path / "secret"
    secret.write_bytes(b"abc")
    (folder / "v2.apb").write_bytes(b"abc")
    (folder / "latest.apb").symlink_to("v2.apb")
    (folder / "out").symlink_to("../secret")
    (folder / "away").symlink_to(secret)
    (folder / "itself").symlink_to("itself")
    (folder / "dangling").symlink_to("gone")
    (folder / "pipe").symlink_to("real pipe")
    os.mkfifo(folder / "real pipe")

    assert read_file(folder / "latest.apb").name == "latest.apb"
    for name in ("out", "away"):
        assert why(folder / name) == (Kind.FILE, f"{folder / name}: it is a link out of its folder, to {secret}")
    assert "link to itself" in why(folder / "itself")[1]
    assert "No such file" in why(folder / "dangling")[1]
    assert "it is a pipe" in why(folder / "pipe")[1]


def test_the_folder_itself_may_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.apb").write_bytes(b"abc")
    (tmp_path / "real" / "b.apb").symlink_to("a.apb")
    (tmp_path / "way").symlink_to("real")
    assert read_file(tmp_path / "way" / "b.apb").data == b"abc"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("VAV.apb", "VAV.apb"),
        ("../../etc/VAV.apb", "VAV.apb"),
        (r"C:\images\VAV.apb", "VAV.apb"),
        ("VAV\x1b[2J.apb", "VAV[2J.apb"),
        ("VAV\udcff.apb", "VAV.apb"),
    ],
)
def test_a_name_is_data(given: str, kept: str) -> None:
    assert images.image(given, b"abc").name == kept


@pytest.mark.parametrize("name", ["", "\x1b", "folder/", "x" * (LONGEST_NAME + 1)])
def test_a_name_that_says_nothing_or_too_much_is_refused(name: str) -> None:
    with pytest.raises(FieldhandError) as refused:
        images.image(name, b"abc")
    assert refused.value.kind is Kind.INVALID


# ---- the repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "images")


IMAGE = images.image("VAV.apb", b"abc")
ROW = stored(sha256=IMAGE.sha256)


def test_what_is_kept_is_named_by_its_hash_and_nobody_else_may_look(repository: Repository, tmp_path: Path) -> None:
    repository.keep(IMAGE)
    (file,) = (tmp_path / "images").iterdir()
    assert file.name == IMAGE.sha256
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert repository.read(ROW) == IMAGE


def test_an_image_whose_file_is_damaged_or_gone_is_not_given_out_and_is_whole_when_added_again(
    repository: Repository, tmp_path: Path
) -> None:
    file = tmp_path / "images" / IMAGE.sha256
    for harm, said in ((lambda: file.write_bytes(b"abd"), "damaged"), (file.unlink, "cannot be read")):
        repository.keep(IMAGE)
        harm()
        with pytest.raises(FieldhandError, match=said) as refused:
            repository.read(ROW)
        assert refused.value.kind is Kind.IMAGE
        repository.keep(IMAGE)
        assert repository.read(ROW) == IMAGE


def test_a_disk_that_is_full_leaves_nothing_behind(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FieldhandError, match="No space left on device"):
        repository.keep(IMAGE)
    assert list((tmp_path / "images").iterdir()) == []


def test_what_a_killed_worker_left_behind_is_cleared_away(repository: Repository, tmp_path: Path) -> None:
    repository.sweep([])  # before there is anything
    repository.keep(IMAGE)
    (tmp_path / "images" / "00.part").write_bytes(b"a")
    repository.sweep([IMAGE.sha256])
    assert repository.read(ROW) == IMAGE
    repository.sweep([])
    assert list((tmp_path / "images").iterdir()) == []


# ---- image and device


@pytest.mark.parametrize(
    ("image", "refused", "refused_with_force"),
    [
        ({}, None, None),
        ({"protocol": "modbus"}, "for modbus, the device is lon", "for modbus, the device is lon"),
        ({"model": 8}, "model 8, the device is model 7", "model 8, the device is model 7"),
        ({"firmware": 4}, "needs firmware 4, the device has 3", "needs firmware 4, the device has 3"),
        ({"program_id": "9B"}, "program ID 9B, the device 9A", None),
        ({"firmware": 2}, "for firmware 2, the device has 3", None),
        ({"opaque": True, "model": 8, "program_id": "9B"}, None, None),
        ({"model": None, "firmware": None, "program_id": None}, None, None),
    ],
    ids=str,
)
def test_an_image_is_refused_for_what_the_record_knows(
    image: dict[str, Any], refused: str | None, refused_with_force: str | None
) -> None:
    for force, expected in ((False, refused), (True, refused_with_force)):
        said = refusal(stored(**image), VAV, force=force)
        assert (said is None) == (expected is None)
        assert expected is None or (said is not None and "VAV.apb" in said and expected in said)


def test_what_the_record_does_not_know_is_no_reason_against_it() -> None:
    unknown = device(program_id=None, model=None, firmware=None)
    assert refusal(stored(), unknown, force=False) is None
    assert "1 not known by model and firmware" in warnings(stored(), [unknown])[0]


def test_devices_that_get_another_program_are_counted() -> None:
    others = [VAV, device(program_id="9B", model=7, firmware=3), device(program_id="9A", model=7, firmware=4)]
    assert warnings(stored(), others)[0].startswith("2 get another program")
    assert len(warnings(stored(), [VAV])) == 1
    assert warnings(stored(opaque=True), others) == []
