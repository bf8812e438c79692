"""Devices come from a file and go for good; what was done to them stays on record."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

from tests.end_to_end.installation import Field, Installation


def test_a_removed_device_is_out_of_service_off_the_list_and_still_in_the_history(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "3", "--rate", "unlimited")
    installation.set_up(there)
    installation.run("provision", "--all", "--yes")
    first, second, third = installation.devices()

    there.command(f"power-off {second['uid']}")
    outcome = installation.json("remove", first["name"], second["name"], "--yes")

    reasons = {task["uid"]: task["reason"] for task in outcome["tasks"]}
    assert outcome["done"] == 2
    assert reasons[first["uid"]] == ""
    assert reasons[second["uid"]].startswith("only the record: no answer")
    assert [device["uid"] for device in installation.devices()] == [third["uid"]]
    assert there.truth()[first["uid"]]["state"] == "unconfigured"
    assert there.truth()[third["uid"]]["state"] == "configured"

    history = list(csv.DictReader(io.StringIO(installation.run("history", "--csv", "--device", first["name"]).stdout)))
    assert [(row["action"], row["uid"], row["outcome"]) for row in history] == [
        ("remove", first["uid"], "done"),
        ("provision", first["uid"], "done"),
    ]
    assert all(row["operator"] and row["time"] for row in history)


def test_a_device_that_is_removed_and_ignored_is_found_but_not_adopted(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "3", "--rate", "unlimited")
    installation.set_up(there)
    gone = installation.devices()[0]
    plan = installation.json("remove", gone["name"], "--dry-run")
    assert any("may be found again" in warning for warning in plan["warnings"])

    installation.run("remove", gone["name"], "--ignore", "--yes")
    again = installation.json("discover", "FT-1", "--adopt")

    assert [device["ignored"] for device in again["found"] if device["uid"] == gone["uid"]] == [True]
    assert gone["uid"] not in {device["uid"] for device in installation.devices()}
    assert [device["uid"] for device in installation.json("device", "ignored")] == [gone["uid"]]
    installation.run("device", "unignore", gone["uid"].lower())
    installation.run("discover", "FT-1", "--adopt")
    assert gone["uid"] in {device["uid"] for device in installation.devices()}


def test_where_another_tool_manages_the_network_only_the_record_goes(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "2", "--rate", "unlimited")
    installation.set_up(there)
    installation.run("provision", "--all", "--yes")
    first, second = installation.devices()

    installation.run("site", "--mode", "imm")

    assert "another tool manages this network" in installation.refusal("deprovision", second["name"], "--yes", code=3)
    installation.run("remove", first["name"], "--yes")
    assert there.truth()[first["uid"]]["state"] == "configured"


def test_a_site_without_lon_is_offered_nothing_of_it(installation: Installation, field: Callable[..., Field]) -> None:
    there = field("--lon", "1", "--rate", "unlimited")
    installation.set_up(there)
    installation.run("site", "--without", "lon")
    assert "the site has no lon" in installation.refusal("provision", "--all", "--yes", code=3)
    assert "no lon" in installation.refusal("port", "add", "lon:///dev/ttyS9", "--name", "x", code=3)
    installation.run("site", "--without", "none")
    assert installation.json("provision", "--all", "--yes")["done"] == 1


def test_a_file_of_the_cms_is_tried_corrected_imported_and_provisioned_as_licenses_come(
    installation: Installation, field: Callable[..., Field], tmp_path: Path
) -> None:
    there = field("--lon", "3", "--rate", "unlimited")
    installation.license(2)
    installation.run("port", "add", there.url(), "--name", "FT-1")
    uids = [device["uid"] for device in installation.json("discover", "FT-1")["found"]]
    heading = "name,deviceType,category,protocol,discoveryMethod,uid,group"
    rows = [f"VAV {n},VAV,EDGE,lon,manual,'{uid.lower()},roof" for n, uid in enumerate(uids)]
    file = tmp_path / "devices.csv"

    file.write_text("\n".join(("#filetype,devices", heading, *rows[:2], rows[2].replace(uids[2].lower(), "12"))))
    report = installation.json("import", str(file), code=3)
    assert [(problem["line"], problem["column"]) for problem in report["problems"]] == [(5, "uid")]
    assert installation.devices() == []

    file.write_text("\n".join(("#filetype,devices", heading, *rows)))
    report = installation.json("import", str(file), "--dry-run")
    assert (len(report["added"]), report["groups"], report["seats_short"]) == (3, ["roof"], 1)
    assert installation.devices() == []

    job = installation.json("import", str(file), "--provision")["job"]
    installation.license(1)
    assert installation.wait_for_job(job)["done"] == 3
    assert {device["group"] for device in installation.devices()} == {"roof"}
    assert {held["state"] for held in there.truth().values()} == {"configured"}


def test_what_was_exported_is_imported_elsewhere_as_it_was(
    installation: Installation, field: Callable[..., Field], tmp_path: Path
) -> None:
    there = field("--lon", "2", "--rate", "unlimited")
    installation.set_up(there)
    name = installation.devices()[0]["name"]
    installation.run("device", "edit", name, "--type", "VAV", "--location", "hall 3", "--name", "=1+1")
    installation.run("group", "add", "roof")
    installation.run("group", "assign", "roof", "=1+1")
    file = tmp_path / "all.csv"
    installation.run("export", str(file), "--full")
    assert "it is there already" in installation.refusal("export", str(file), code=2)
    assert installation.json("import", str(file))["added"] == []

    before = installation.devices()
    for device in before:
        installation.run("remove", str(device["id"]), "--yes")
    assert installation.devices() == []
    installation.run("import", str(file))

    after = installation.devices()
    kept = ("name", "uid", "type", "location", "group", "port", "protocol")
    assert [[device[key] for key in kept] for device in after] == [[device[key] for key in kept] for device in before]
