"""A load is cut off at a random moment, by whatever: it is taken up again, and ends in a verified device."""

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.store import views
from tests.drivers.lon.images import build_apb
from tests.end_to_end.installation import Field, Installation
from tests.end_to_end.terminals import eventually

RECORDS = 180
TRIES = 20
REAL_IMAGE = Path(__file__).parents[3] / "shared" / "samples" / "lon" / "VAV_sim.APB"


def records_of(apb: bytes) -> dict[int, int]:
    """What an image puts where in the memory of a device, read apart from the product."""
    content: dict[int, int] = {}
    at = apb.index(bytes.fromhex("F0082000"))
    while at < len(apb):
        address, length, kind = int.from_bytes(apb[at : at + 2], "big"), apb[at + 2], apb[at + 3]
        if kind in (0x00, 0x40, 0xC0):
            start = address if kind == 0 else 0x10000 + 16 * address
            content |= {start + place: byte for place, byte in enumerate(apb[at + 5 : at + 5 + length])}
        at += 5 + length
    return content


def digest(apb: bytes) -> str:
    """The same as the field tells of a device: without RAM, properties, and the bytes of state and flags."""
    content = records_of(apb)
    for left_out in (*range(0xE800, 0xF000), *range(0x4000, 0x4020), 0xF00A, 0xF015):
        content.pop(left_out, None)
    return hashlib.sha256(
        b"".join(address.to_bytes(4, "big") + bytes([content[address]]) for address in sorted(content))
    ).hexdigest()


class Load:
    """A site with one provisioned device and an image on its way into it."""

    def __init__(self, installation: Installation, there: Field, image: Path) -> None:
        self.installation, self.there, self.image = installation, there, image.read_bytes()
        installation.set_up(there)
        installation.run("provision", "--all", "--yes")
        (device,) = installation.devices()
        self.uid, self.address = device["uid"], device["address"]
        installation.run("image", "add", str(image))
        name = installation.json("image", "list")[0]["name"]
        command = ("load", self.uid, "--image", name, "--force", "--yes", "--no-wait", "--no-pause")
        self.job = int(installation.json(*command)["job"])

    def cut_off(self, moment: float, how: str) -> None:
        """Let it get so far (0 to 1), then do it."""
        wanted = int(moment * 90)

        def got_there() -> bool:
            (task,) = self.installation.read(lambda db: views.tasks(db, self.job))
            return not task.state.open or (task.percent or 0) >= wanted

        eventually(got_there)
        time.sleep(random.random() * 0.1)
        getattr(self, how)()

    def kill(self) -> None:
        os.kill(self.installation.worker(), signal.SIGKILL)
        eventually(lambda: self.installation.json("status")["worker"] is None)
        self.installation.run("monitoring")  # which starts another worker

    def unplug(self) -> None:
        self.there.command("unplug lon0")
        time.sleep(0.3)
        self.there.command("plug lon0")

    def power_loss(self) -> None:
        self.there.command(f"power-off {self.uid}")
        time.sleep(0.3)
        self.there.command(f"power-on {self.uid}")

    def ends_in_a_verified_device(self) -> None:
        outcome = self.installation.wait_for_job(self.job)
        if outcome["failed"]:
            (device,) = self.installation.devices()
            assert device["status"] in ("failed", "no application"), device
            again = self.installation.json("resume", self.uid, "--yes")
            assert again["done"] == 1, again
        (device,) = self.installation.devices()
        held = self.there.truth()[self.uid]
        assert held["application_sha256"] == digest(self.image)
        assert (held["state"], held["program_id"]) == ("configured", device["program_id"])
        assert (device["state"], device["status"], device["address"]) == ("provisioned", "ok", self.address)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "generated.apb"
    path.write_bytes(build_apb(records=RECORDS))
    return path


@pytest.mark.parametrize("how", ["kill", "unplug", "power_loss"])
def test_a_load_that_is_cut_off_ends_in_a_verified_device(
    how: str, installation: Installation, field: Callable[..., Field], image: Path
) -> None:
    load = Load(installation, field("--lon", "1", "--rate", "ft10", "--write-ms", "10"), image)
    load.cut_off(random.random(), how)
    load.ends_in_a_verified_device()


@pytest.mark.soak
@pytest.mark.parametrize("number", range(TRIES))
@pytest.mark.parametrize("how", ["kill", "unplug", "power_loss"])
@pytest.mark.parametrize("real", [False, True], ids=["generated", "VAV_sim"])
def test_it_does_so_every_time(
    how: str, number: int, real: bool, installation: Installation, field: Callable[..., Field], image: Path
) -> None:
    if real and not REAL_IMAGE.exists():
        pytest.skip("the sample image is not here")
    load = Load(installation, field("--lon", "1", "--rate", "ft10"), REAL_IMAGE if real else image)
    load.cut_off(random.random(), how)
    load.ends_in_a_verified_device()
