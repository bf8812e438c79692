"""Images into devices: who fits, one pass of the channel for many, and what the console says of each."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

from tests.drivers.lon.images import build_apb, build_ndl
from tests.end_to_end.installation import Field, Installation
from tests.end_to_end.test_loads_survive import digest


def file(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def test_an_image_is_loaded_into_a_group_and_the_devices_keep_their_places(
    installation: Installation, field: Callable[..., Field], tmp_path: Path
) -> None:
    there = field("--lon", "5", "--rate", "unlimited", "--write-ms", "1")
    installation.set_up(there)
    installation.run("provision", "--all", "--yes")
    before = installation.devices()
    roof = [device["uid"] for device in before[:3]]
    installation.run("group", "add", "roof")
    installation.run("group", "assign", "roof", *roof)
    image = build_apb(program_id=bytes.fromhex(before[0]["program_id"]))
    installation.run("image", "add", file(tmp_path, "same.apb", image))

    outcome = installation.json("load", "--group", "roof", "--image", "same.apb", "--yes")

    assert (outcome["done"], outcome["failed"]) == (3, 0)
    truth = there.truth()
    for device in before:
        held = truth[device["uid"]]
        assert held["state"] == "configured"
        assert held["domains"][0]["node"] == device["address"]["node"]
        assert (held["application_sha256"] == digest(image)) is (device["uid"] in roof)
    assert {device["status"] for device in installation.devices()} == {"ok"}


def test_a_load_changes_the_program_only_where_that_is_wanted(
    installation: Installation, field: Callable[..., Field], tmp_path: Path
) -> None:
    there = field("--lon", "1", "--rate", "unlimited", "--write-ms", "1")
    installation.set_up(there)
    (device,) = installation.devices()
    other = bytes.fromhex("9FFFFF0502840499")
    installation.run("image", "add", file(tmp_path, "other.ndl", build_ndl(program_id=other)))
    said = installation.refusal("load", device["uid"], "--image", "other.ndl", "--yes", code=3)
    assert device["program_id"] in said
    assert other.hex().upper() in said
    assert there.truth()[device["uid"]]["program_id"] == device["program_id"]

    assert installation.json("load", device["uid"], "--image", "other.ndl", "--force", "--yes")["done"] == 1

    (after,) = installation.devices()
    assert (after["program_id"], after["state"]) == (other.hex().upper(), "unprovisioned")
    assert there.truth()[device["uid"]]["program_id"] == other.hex().upper()


def test_an_image_for_another_model_is_refused_before_anything_is_sent(
    installation: Installation, field: Callable[..., Field], tmp_path: Path
) -> None:
    there = field("--lon", "1", "--rate", "unlimited")
    installation.set_up(there)
    (device,) = installation.devices()
    image = build_apb(program_id=bytes.fromhex(device["program_id"]), model=0x25)
    installation.run("image", "add", file(tmp_path, "neuron6050.apb", image))
    before = there.truth()
    for force in ((), ("--force",)):
        said = installation.refusal("load", device["uid"], "--image", "neuron6050.apb", "--yes", *force, code=3)
        assert "model" in said
    assert there.truth() == before


def test_damaged_images_do_not_get_into_the_repository(installation: Installation, tmp_path: Path) -> None:
    good = build_apb()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    for name, content, said in (
        ("short.apb", good[:-7], "image short.apb"),
        ("flipped.apb", bytes(flipped), "checksum"),
        ("wrong.ndl", good, "APB"),
        ("text.ndl", b":zz\n", "image text.ndl"),
    ):
        assert said in installation.refusal("image", "add", file(tmp_path, name, content), code=2)
    assert installation.json("image", "list") == []


def test_an_opaque_image_reaches_all_devices_in_one_pass_of_a_bad_channel(
    installation: Installation, field: Callable[..., Field], tmp_path: Path
) -> None:
    there = field("--lon", "8", "--rate", "unlimited", "--kind", "update", "--write-ms", "2")
    installation.set_up(there)
    installation.run("provision", "--all", "--yes")
    content = random.Random(3).randbytes(6000)
    installation.run("image", "add", file(tmp_path, "system.nxi", content))
    there.command("faults loss=0.05")

    outcome = installation.json("load", "--all", "--image", "system.nxi", "--yes")

    assert (outcome["done"], outcome["failed"]) == (8, 0)
    for held in there.truth().values():
        assert held["update"]["image_md5"] == hashlib.md5(content).hexdigest()
        assert held["update"]["bank"] == "primary"
        assert held["state"] == "configured"


def test_a_device_that_does_not_speak_image_update_refuses_an_opaque_image_with_the_reason(
    installation: Installation, field: Callable[..., Field], tmp_path: Path
) -> None:
    there = field("--lon", "1", "--rate", "unlimited")
    installation.set_up(there)
    installation.run("image", "add", file(tmp_path, "system.nx", b"who knows what this is"))
    outcome = installation.json("load", "--all", "--image", "system.nx", "--yes", code=1)
    assert "Image Update" in outcome["tasks"][0]["reason"]
