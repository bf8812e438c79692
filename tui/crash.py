"""When the console itself fails: a report for whoever repairs it, and the terminal as it was."""

from __future__ import annotations

import os
import platform
import traceback
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import platformdirs


def report(error: BaseException) -> str:
    """What happened and where, without the values at work: they are nobody else's business."""
    return "\n".join(
        (
            f"fieldhand {version('fieldhand')}, Textual {version('textual')}, Python {platform.python_version()}",
            f"{platform.platform()}, TERM={os.environ.get('TERM', '')}",
            datetime.now(UTC).isoformat(timespec="seconds"),
            "",
            *traceback.format_exception(error),
        )
    )


def keep(text: str) -> Path:
    """Write a report where this user's logs are; where it lies. Raises OSError."""
    folder = Path(platformdirs.user_log_dir("fieldhand"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"console-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    path.write_text(text, "utf-8")
    return path


def last_words(error: BaseException) -> str:
    """What the operator is told, after the report was written: or the report, where it cannot be written."""
    text = report(error)
    try:
        where = f"a report lies in {keep(text)}"
    except OSError as problem:
        where = f"the report cannot be written ({problem.strerror}):\n{text}"
    return f"fieldhand: the console failed: {type(error).__name__}; jobs go on in the worker; {where}\n"
