"""Images into the repository and into devices."""

from pathlib import Path

from tests.drivers.lon.images import PROGRAM_ID, build_apb
from tests.end_to_end.tours.tour import ENTER, ESC, TAB, OpenTour, Tour


def imports(here: Tour, file: Path) -> Tour:
    """Take a file into the repository, by its path."""
    here.keys("4").sees("Images").keys("i").opens("Import an image").types(str(file), instead_of="/").keys(ENTER)
    return here.sees(f"{file.name} is in the repository")


def test_an_image_is_imported_and_loaded_into_one_into_some_and_into_all(tour: OpenTour, tmp_path: Path) -> None:
    here = tour(3)
    program = str(here.devices()[0].program_id)
    (tmp_path / "fan.apb").write_bytes(build_apb(program_id=bytes.fromhex(program), records=20))
    (tmp_path / "torn.apb").write_bytes(build_apb()[:-7])
    here.keys("4").sees("No images yet").keys("i").opens("Import").types(str(tmp_path / "torn.apb"), instead_of="/")
    here.keys(ENTER).opens("image torn.apb").keys(ESC).no_longer_sees("image torn.apb")
    imports(here, tmp_path / "fan.apb").reads("▸ fan.apb")
    here.keys("1").sees("3 devices").keys("L").sees("Images: 1 in the repository", "1 device: fan.apb fits 1")
    here.reads("Fan 1", "✓ fits").keys(ENTER).sees("Load Image fan.apb: Fan 1", "Load Image 1")
    here.agrees("Job 1: Load Image").reads("● done", "Fan 1").goes_back("3 devices")
    here.keys(" ", " ").sees("2 selected").keys("L").sees("2 devices: fan.apb fits 2").keys(ENTER).sees("Load Image 2")
    here.agrees("2/2  2 done").goes_back("2 selected")
    here.keys("a").opens("Actions:").types("load image all").reads("▸ Load Image All", "3 devices").keys(ENTER)
    here.sees("3 devices: fan.apb fits 3").keys(ENTER).sees("Load Image 3").agrees("3/3  3 done").goes_back().leaves()
    assert len({device["application_sha256"] for device in here.field.truth().values()}) == 1


def test_an_image_file_is_found_by_browsing(tour: OpenTour, tmp_path: Path) -> None:
    here = tour(1)
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "fan.apb").write_bytes(build_apb())
    (folder / "notes.pdf").write_bytes(b"no image")
    here.keys("4").sees("No images yet").keys("i").opens("Import an image").types(f"{tmp_path}/im", instead_of="/")
    here.sees("images").keys(TAB).sees("fan.apb").keys(TAB, ENTER).sees("fan.apb is in the repository")
    here.reads("▸ fan.apb").leaves()


def test_a_load_that_is_stopped_half_way_is_seen_and_resumed(tour: OpenTour, tmp_path: Path) -> None:
    here = tour(1, options=("--write-ms", "20"))
    here.field.command("faults loss=0.1")  # slow enough to be caught in the middle
    program = here.devices()[0].program_id
    (tmp_path / "other.apb").write_bytes(build_apb(records=180))
    imports(here, tmp_path / "other.apb").keys("1").reads("○ unprovisioned", "Fan 1").keys("L")
    here.sees("1 device: other.apb fits 0").reads("Fan 1", f"✖ other.apb has program ID {PROGRAM_ID.hex().upper()}")
    here.keys(TAB).reads("Fan 1: other.apb has program ID", "the device").keys("F")
    here.opens("Load Image other.apb: Fan 1", "1 get another program", "type load to agree").types("load").keys(ENTER)
    here.sees("Job 1: Load Image other.apb: Fan 1", "x cancel").reads("running", "%", "Fan 1", "kB").keys("x")
    here.opens("Stop Load Image other.apb: Fan 1", "1 device left", "Stop 1").keys("y")
    here.reads("◇ cancelled", "Fan 1", "stopped by the op").sees(" % of other.apb")
    here.field.command("faults loss=0")
    here.goes_back().reads("□ no appl", "Fan 1").keys("i").sees("Fan 1   □ no application", "o resume load")
    here.sees("other.apb was cut off at", "Resume Load goes on")
    here.goes_back().keys("o").reads("○ unprovisioned", "Fan 1").leaves()
    assert program != PROGRAM_ID.hex().upper() == here.devices()[0].program_id
