"""Whatever is wrong is said in one line with what to do, with the right exit code, and nothing is lost."""

import json
import os
import pty
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.end_to_end.installation import Field, Installation


@pytest.fixture(scope="module")
def unlicensed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Three devices on a port, without any license; nothing that is done to it may change it."""
    folder = tmp_path_factory.mktemp("unlicensed")
    with (
        closing(Field(folder / "field", "--lon", "3", "--rate", "unlimited")) as there,
        closing(Installation(folder / "state")) as installation,
    ):
        installation.add_port(there.url(), "FT-1")
        yield installation


@pytest.fixture
def site(installation: Installation, field: Callable[..., Field]) -> Installation:
    """The same, to be changed."""
    there = field("--lon", "3", "--rate", "unlimited")
    installation.add_port(there.url(), "FT-1")
    return installation


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("provision nobody --yes", 2, "no device 'nobody'"),
        ("provision --group nowhere --yes", 2, "no group 'nowhere'"),
        ("provision --yes", 2, "--group NAME, or --all"),
        ("discover FT-9", 2, "no port 'FT-9'"),
        ("device add X --port FT-9", 2, "no port 'FT-9'"),
        ("device add X --port FT-1 --uid 123", 2, "'123' is no"),
        ("device add X --port FT-1 --uid 00D07X1509A1", 2, "UID"),
        ("device show 999", 2, "no device '999'"),
        ("group assign nowhere 1", 2, "no group"),
        ("group rename nowhere X", 2, "no group"),
        ("jobs show 99", 2, "no job"),
        ("jobs cancel 99", 2, "no job"),
        ("test 1 --count 0", 2, "count"),
        ("test 1 --count many", 2, "count"),
        ("site --domain 1122", 2, "0, 1, 3 or 6"),
        ("port add lon:///dev/nonexistent --name X", 4, "/dev/nonexistent"),
        ("port add lon:///tmp --name X", 4, "/tmp"),
        ("port add fax:///dev/x --name X", 2, "fax"),
        ("port add /dev/ttyACM0 --name X", 2, "lon:///dev/ttyACM0"),
        ("port remove FT-1", 3, "3 devices are on it"),
        ("license add /nonexistent", 2, "/nonexistent"),
        ("license add /", 2, "not a file"),
        ("provision --all --yes", 3, "3 no license seat"),
        ("provision --all", 3, "no license seat"),
    ],
)
def test_what_is_wrong_is_named(unlicensed: Installation, command: str, code: int, said: str) -> None:
    before = unlicensed.devices()

    assert said in unlicensed.refusal(*command.split(), code=code)

    assert unlicensed.devices() == before
    assert unlicensed.json("jobs") == []


def test_a_uid_that_is_there_already_is_refused_in_any_spelling(unlicensed: Installation) -> None:
    known = unlicensed.devices()[0]
    spelled = "'" + "-".join(known["uid"][i : i + 2] for i in range(0, 12, 2)).lower()

    said = unlicensed.refusal("device", "add", "twin", "--port", "FT-1", "--uid", spelled, code=2)

    assert known["uid"] in said
    assert known["name"] in said


def test_a_port_that_somebody_holds_is_refused_with_the_holder(
    installation: Installation, field: Callable[..., Field], tmp_path: Path
) -> None:
    there = field("--lon", "1", "--rate", "unlimited")
    other = Installation(tmp_path / "other")
    try:
        other.run("port", "add", there.url(), "--name", "FT-1")

        said = installation.refusal("port", "add", there.url(), "--name", "FT-1", code=4)

        assert str(other.worker()) in said
        assert installation.json("port", "list") == []
    finally:
        other.close()


def test_a_terminal_that_is_no_interface_is_refused(installation: Installation) -> None:
    master, slave = pty.openpty()
    try:
        said = installation.refusal("port", "add", f"lon://{os.ttyname(slave)}", "--name", "X", code=4)
        assert "does not answer" in said
    finally:
        os.close(master)
        os.close(slave)


def test_forged_altered_expired_and_foreign_licenses_are_refused(installation: Installation, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for key in (ours, theirs):
        installation.run("license", "keygen", str(key))
    installation.run("license", "trust", f"{ours}.pub")

    def issue(name: str, key: Path, *options: str) -> Path:
        out = tmp_path / name
        installation.run("license", "issue", "--key", str(key), "--devices", "5", "--out", str(out), *options)
        return out

    altered = issue("altered", ours)
    content = json.loads(altered.read_text())
    content["license"]["devices"] = 500
    altered.write_text(json.dumps(content))
    for file, reason in (
        (issue("forged", theirs), "not trusted"),
        (altered, "signature does not match"),
        (issue("expired", ours, "--expires", "2020-01-31"), "expired on 2020-01-31"),
        (issue("foreign", ours, "--site", "elsewhere"), "'elsewhere'"),
        (ours, "no license"),
    ):
        assert reason in installation.refusal("license", "add", str(file), code=3)
    genuine = issue("genuine", ours)
    installation.run("license", "add", str(genuine))
    assert "added already" in installation.refusal("license", "add", str(genuine), code=3)
    assert installation.json("status")["license"] == {"capacity": 5, "used": 0, "waiting": 0}


def test_a_key_or_license_is_never_written_over(installation: Installation, tmp_path: Path) -> None:
    key = tmp_path / "key"
    installation.run("license", "keygen", str(key))
    before = key.read_bytes()

    installation.refusal("license", "keygen", str(key), code=2)

    assert key.read_bytes() == before
    assert key.stat().st_mode & 0o077 == 0


def test_a_second_worker_is_refused_and_names_the_first(installation: Installation) -> None:
    installation.run("devices")
    first = installation.worker()

    assert str(first) in installation.refusal("worker", code=4).splitlines()[-1]

    assert installation.worker() == first


def test_a_store_of_a_newer_version_is_left_as_it_is(installation: Installation) -> None:
    installation.run("devices")
    installation.run("worker", "stop")
    store = installation.directory / "fieldhand.sqlite"
    with sqlite3.connect(store) as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()
    before = store.read_bytes()

    for command in ("devices", "status", "worker"):
        assert "newer fieldhand" in installation.run(command, code=4).stderr.splitlines()[-1]
    assert "newer fieldhand" in installation.refusal("group", "add", "x", code=4)

    assert store.read_bytes() == before


def test_a_plan_needs_somebody_who_agrees(site: Installation) -> None:
    site.license(3)

    assert "--yes" in site.refusal("provision", "--all", code=2)

    assert {device["state"] for device in site.devices()} == {"unprovisioned"}


def test_seats_go_to_devices_in_order_of_creation(site: Installation) -> None:
    site.license(2)

    assert [device["licensed"] for device in site.devices()] == [True, True, False]
    outcome = site.json("provision", "--all", "--yes")
    assert (outcome["done"], outcome["skipped"]) == (2, 1)
    site.license(1)
    assert all(device["licensed"] for device in site.devices())
    assert site.json("provision", "--all", "--yes")["done"] == 1
