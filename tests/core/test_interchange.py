"""CSV in the columns of the SmartServer CMS, as spreadsheets and people leave it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.interchange import OF_THE_CMS, OURS, export_text, history_text, read_devices
from core.models import Job, JobState, Task, TaskState
from tests.core.devices import device

HEADING = ",".join(OF_THE_CMS)
KIT = "MS-01,6kEvbMultiSensor,EDGE,lon,manual,2020-06-29,00d071150989,-121.7562,37.2974,Customer 1,1,00-D0-71,UTC"


def file(*rows: str, heading: str = HEADING) -> str:
    return "\n".join(("#filetype,devices", heading, *rows))


def test_a_row_of_the_kit_is_read() -> None:
    (row,), problems = read_devices(file(KIT))
    assert problems == []
    assert (row.line, row.name, row.type, row.protocol, row.uid) == (
        3,
        "MS-01",
        "6kEvbMultiSensor",
        "lon",
        "00d071150989",
    )
    assert row.carried["longitude"] == "-121.7562"
    assert row.carried["timezone"] == "UTC"


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADING}\n{KIT}\n",
        f"\ufeff#filetype,devices\r\n{HEADING}\r\n{KIT}\r\n\r\n",
        f"#filetype;devices\n{HEADING.replace(',', ';')}\n{KIT.replace(',', ';')}",
        f"#filetype,devices{',' * 11}\n{HEADING}\n{KIT}",
        f"{HEADING}\n'{KIT.replace('00d0', chr(39) + '00d0')}",
    ],
    ids=["no file type", "spreadsheet", "semicolons", "padded", "apostrophes"],
)
def test_what_spreadsheets_do_to_a_file_changes_nothing(text: str) -> None:
    (row,), problems = read_devices(text)
    assert problems == []
    assert (row.name, row.uid) == ("MS-01", "00d071150989")


def test_columns_may_come_in_any_order_and_some_not_at_all() -> None:
    (row,), problems = read_devices("uid,protocol,name,group,port\nauto,LON,AHU,roof,FT-1")
    assert problems == []
    assert (row.name, row.protocol, row.uid, row.group, row.port) == ("AHU", "lon", "", "roof", "FT-1")


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("", 1, "", "no line of column names"),
        ("#filetype,groups\nname,protocol\na,lon", 1, "", "it holds groups, not devices"),
        ("name,colour,protocol\na,red,lon", 1, "colour", "no such column"),
        ("name\na", 1, "protocol", "missing"),
        ("name,name,protocol\na,b,lon", 1, "name", "twice"),
        ("name,protocol\n,lon", 2, "name", "empty"),
        ("name,protocol\na,", 2, "protocol", "empty"),
        ("name,protocol\na,lon,x", 2, "", "3 cells under 2 headings"),
        ("name,protocol,category\na,lon,SEGMENT", 2, "category", "SEGMENT"),
        ("name,protocol\na,lon\nb,lon\na,lon", 4, "name", "in line 2 already"),
        ("name,protocol,uid\na,lon,00ff\nb,lon,00FF", 3, "uid", "in line 2 already"),
        ('name,protocol,location\n"a","lon","one\ntwo"\n,lon,', 4, "name", "empty"),
        (f"name,protocol\n{'x' * 1001},lon", 2, "name", "longer than"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(text: str, line: int, column: str, said: str) -> None:
    _, problems = read_devices(text)
    assert [(problem.line, problem.column) for problem in problems] == [(line, column)]
    assert said in problems[0].reason


@given(st.text())
def test_any_text_gives_rows_or_problems(text: str) -> None:
    rows, problems = read_devices(text)
    assert problems or all(row.name and row.protocol for row in rows)


@given(st.binary().map(lambda data: data.decode("latin-1")))
def test_any_rows_under_a_heading_give_rows_or_problems(text: str) -> None:
    read_devices(f"{HEADING}\n{text}")


def test_what_is_exported_is_imported_as_it_was() -> None:
    devices = [
        device(name="=HYPERLINK(1)", uid="001234567890", type="VAV", group="roof", location="-1"),
        device(name="'quoted', and more", uid="", carried={"longitude": "-121.5", "discoveryMethod": "discovery"}),
    ]
    rows, problems = read_devices(export_text(devices, full=True))
    assert problems == []
    assert [(row.name, row.uid, row.type, row.group, row.location) for row in rows] == [
        ("=HYPERLINK(1)", "001234567890", "VAV", "roof", "-1"),
        ("'quoted', and more", "", "", "", ""),
    ]
    assert rows[1].carried["longitude"] == "-121.5"
    assert rows[1].carried["discoveryMethod"] == "discovery"


def test_the_plain_export_has_exactly_the_columns_of_the_cms() -> None:
    lines = list(csv.reader(io.StringIO(export_text([device()]))))
    assert lines[0] == ["#filetype", "devices"]
    assert tuple(lines[1]) == OF_THE_CMS
    assert tuple(list(csv.reader(io.StringIO(export_text([], full=True))))[1]) == (*OF_THE_CMS, *OURS)


@given(st.text(max_size=20))
def test_no_cell_is_a_formula_to_a_spreadsheet(name: str) -> None:
    cells = list(csv.reader(io.StringIO(export_text([device(name=name, uid="1E5", location=name)], full=True))))[2]
    assert cells[OF_THE_CMS.index("uid")] == "'1E5"
    for cell in cells:
        assert not cell.startswith(("=", "@", "+", "-", "\t")) or cell.strip("+-").replace(".", "").isalnum()


def test_the_history_says_who_did_what_to_which_device_when_and_what_came_of_it() -> None:
    job = Job(7, "provision", "Provision", "", {}, JobState.DONE, "olga", 0.0, 9.0, False, 1, 0, 0, 0, 1, 0, 0, 1)
    task = Task(1, 7, 3, "+AHU", "00A1", TaskState.FAILED, "identify", None, "no answer", 1, 10.0, 12.5, 1)
    lines = list(csv.reader(io.StringIO(history_text([(job, task)]))))
    assert lines[0] == ["time", "operator", "action", "job", "device", "uid", "outcome", "reason", "seconds"]
    assert lines[1] == [
        "1970-01-01T00:00:12+00:00",
        "olga",
        "provision",
        "7",
        "'+AHU",
        "00A1",
        "failed",
        "no answer",
        "2.5",
    ]
