"""Devices and history as CSV, in the columns of the SmartServer CMS: text in, rows and what is wrong with them out.

Column names and the optional first line "#filetype,devices" are those of the vendor's starter kit. Cells are data: one
that a spreadsheet would take for a formula is written with an apostrophe before it, which is taken off again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from core.models import Device, Job, Task
from core.text import printable

FILE_TYPE: Final = ("#filetype", "devices")
OF_THE_CMS: Final = (
    "name",
    "deviceType",
    "category",
    "protocol",
    "discoveryMethod",
    "installationDate",
    "uid",
    "longitude",
    "latitude",
    "customerName",
    "did",
    "ownerMAC",
    "timezone",
)
OURS: Final = ("group", "port", "programId", "location")
"""What a site needs beside the columns of the CMS, which ignores them."""
USED: Final = frozenset({"name", "deviceType", "protocol", "uid", *OURS})
"""The columns with a meaning here; the others travel along with the device."""
CATEGORY: Final = "EDGE"
NO_UID: Final = "auto"
"""In the column uid: the device is still to be found."""
MOST_ROWS: Final = 100_000
LONGEST_CELL: Final = 1000
"""Characters; no column of the format needs nearly as many."""
_FORMULA: Final = ("=", "+", "-", "@", "'", "\t", "\r")
HISTORY: Final = ("time", "operator", "action", "job", "device", "uid", "outcome", "reason", "seconds")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a cell; `line` counts from 1 as an editor does, `column` is its heading, "" for the line."""

    line: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """A device of a file. `uid` "" is one that is still to be found."""

    line: int
    name: str
    protocol: str
    uid: str
    type: str = ""
    group: str = ""
    port: str = ""
    program_id: str = ""
    location: str = ""
    carried: Mapping[str, str] = field(default_factory=dict)


def read_devices(text: str) -> tuple[list[Row], list[Problem]]:
    """The rows of a file and everything that is wrong with it as such. Takes commas or semicolons, any line ends."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=_delimiter(text))
    rows: list[Row] = []
    problems: list[Problem] = []
    heading: list[str] | None = None
    try:
        for raw in reader:
            line = reader.line_num - sum(cell.count("\n") for cell in raw)  # where the row begins
            cells = [_plain(cell) for cell in raw]
            if not any(cells):
                continue
            if heading is None and cells[0].lower() == FILE_TYPE[0]:
                if cells[1:2] != [FILE_TYPE[1]]:
                    problems.append(Problem(line, "", f"it holds {' '.join(cells[1:]) or 'nothing'}, not devices"))
                    break
            elif heading is None:
                heading = cells
                problems += _heading_problems(heading, line)
                if problems:
                    break
            else:
                _read_row(heading, cells, line, rows, problems)
            if len(rows) > MOST_ROWS:
                problems.append(Problem(line, "", f"there are more than {MOST_ROWS} devices"))
                break
    except csv.Error as error:
        problems.append(Problem(reader.line_num, "", f"it is not CSV: {error}"))
    if heading is None and not problems:
        problems.append(Problem(1, "", "there is no line of column names"))
    return rows, [*problems, *_repeated(rows)]


def _delimiter(text: str) -> str:
    for line in text.splitlines():
        if line.strip() and not line.lower().removeprefix("\ufeff").startswith(FILE_TYPE[0]):
            return ";" if line.count(";") > line.count(",") else ","
    return ","


def _heading_problems(heading: Sequence[str], line: int) -> list[Problem]:
    known = {*OF_THE_CMS, *OURS}
    problems = [Problem(line, name, "there is no such column") for name in heading if name and name not in known]
    problems += [Problem(line, name, "the column is missing") for name in ("name", "protocol") if name not in heading]
    problems += [
        Problem(line, name, "the column is there twice") for name in sorted(set(heading)) if heading.count(name) > 1
    ]
    return problems


def _read_row(
    heading: Sequence[str], cells: Sequence[str], line: int, rows: list[Row], problems: list[Problem]
) -> None:
    if len(cells) > len(heading):
        problems.append(Problem(line, "", f"{len(cells)} cells under {len(heading)} headings"))
        return
    values = dict(zip(heading, cells, strict=False))
    wrong = [
        Problem(line, column, f"it is longer than {LONGEST_CELL} characters")
        for column, value in values.items()
        if len(value) > LONGEST_CELL
    ]
    wrong += [Problem(line, column, "it is empty") for column in ("name", "protocol") if not values.get(column)]
    category = values.get("category") or CATEGORY
    if category.upper() != CATEGORY:
        wrong.append(Problem(line, "category", f"only {CATEGORY} devices can be imported, this is {category!r}"))
    problems += wrong
    if wrong:
        return
    uid = values.get("uid", "")
    rows.append(
        Row(
            line=line,
            name=values["name"],
            protocol=values["protocol"].lower(),
            uid="" if uid.lower() == NO_UID else uid,
            type=values.get("deviceType", ""),
            group=values.get("group", ""),
            port=values.get("port", ""),
            program_id=values.get("programId", ""),
            location=values.get("location", ""),
            carried={column: value for column, value in values.items() if column not in USED and value},
        )
    )


def _repeated(rows: Sequence[Row]) -> list[Problem]:
    problems = []
    for column in ("name", "uid"):
        first: dict[str, int] = {}
        for row in rows:
            value = getattr(row, column).strip().upper() if column == "uid" else getattr(row, column)
            if value and first.setdefault(value, row.line) != row.line:
                problems.append(Problem(row.line, column, f"it is in line {first[value]} already"))
    return problems


def export_text(devices: Iterable[Device], *, full: bool = False) -> str:
    """The devices in the columns of the CMS; `full` adds those that only fieldhand knows."""
    columns = (*OF_THE_CMS, *OURS) if full else OF_THE_CMS
    lines: list[Sequence[str]] = [FILE_TYPE, columns]
    for device in devices:
        values = {
            "category": CATEGORY,
            "discoveryMethod": "manual",
            "installationDate": datetime.fromtimestamp(device.created_at, UTC).date().isoformat(),
            **device.carried,
            "name": device.name,
            "deviceType": device.type,
            "protocol": device.protocol,
            "uid": device.uid or NO_UID,
            "group": device.group or "",
            "port": device.port or "",
            "programId": device.program_id or "",
            "location": device.location,
        }
        lines.append([_safe(values.get(column, ""), number=column != "uid") for column in columns])
    return _written(lines)


def history_text(history: Iterable[tuple[Job, Task]]) -> str:
    """Who did what to which device when, and what came of it: one line a device of a job."""
    lines: list[Sequence[str]] = [HISTORY]
    for job, task in history:
        at = task.finished_at or task.started_at or job.created_at
        seconds = "" if task.seconds is None else str(task.seconds)
        lines.append(
            (
                datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"),
                _safe(job.operator),
                job.action,
                str(job.id),
                _safe(task.name),
                _safe(task.uid, number=False),
                task.state.value,
                _safe(task.reason),
                seconds,
            )
        )
    return _written(lines)


def _written(lines: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _safe(cell: str, *, number: bool = True) -> str:
    """As a spreadsheet may open it: no formula, and where it is not a `number`, nothing that becomes one."""
    cell = printable(cell)
    if _is_number(cell):
        return cell if number else f"'{cell}"
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _plain(cell: str) -> str:
    cell = printable(cell)
    return cell[1:] if cell.startswith("'") else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
