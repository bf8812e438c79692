"""What a killed demo leaves behind goes with the next one; what is anybody else's, or at work, stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tui.demo_folder import PREFIX, YOUNG_SECONDS, demo_folder

HOLDS_ONE = """
import time
from tui.demo_folder import demo_folder
with demo_folder() as folder:
    print(folder, flush=True)
    time.sleep(99)
"""
HOLDS_A_LOCK = """
import fcntl, sys, time
lock = open(sys.argv[1])
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(99)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def old(path: Path) -> Path:
    long_ago = time.time() - 2 * YOUNG_SECONDS
    os.utime(path, (long_ago, long_ago))
    return path


def left_behind(folder: Path, name: str = "x") -> Path:
    path = folder / f"{PREFIX}{name}"
    path.mkdir()
    (path / "fieldhand.sqlite").touch()
    (path / "worker.lock").touch()
    return old(path)


def demos(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*"))


def test_a_demo_leaves_nothing_and_clears_what_killed_ones_left(folder: Path) -> None:
    left_behind(folder)
    with demo_folder() as mine:
        assert demos(folder) == [mine]
        assert mine.stat().st_mode & 0o077 == 0
    assert demos(folder) == []


def test_a_demo_at_work_keeps_its_folder_until_it_is_killed(folder: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLDS_ONE], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    theirs = old(Path(other.stdout.readline().strip()))
    try:
        with demo_folder():
            assert theirs.is_dir()
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert theirs.is_dir()
    with demo_folder():
        assert not theirs.exists()


def test_a_folder_stays_while_its_worker_does(folder: Path) -> None:
    path = left_behind(folder)
    command = [sys.executable, "-c", HOLDS_A_LOCK, str(path / "worker.lock")]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    worker.stdout.readline()
    try:
        with demo_folder():
            assert path.is_dir()
    finally:
        worker.kill()
        worker.communicate()


def a_link(folder: Path) -> Path:
    (folder / "precious").mkdir()
    link = folder / f"{PREFIX}link"
    link.symlink_to(folder / "precious")
    return link


def a_file(folder: Path) -> Path:
    path = folder / f"{PREFIX}file"
    path.touch()
    return old(path)


def a_young_one(folder: Path) -> Path:
    path = folder / f"{PREFIX}young"
    path.mkdir()
    return path


@pytest.mark.parametrize("make", [a_link, a_file, a_young_one])
def test_what_is_no_folder_left_behind_stays(folder: Path, make: Callable[[Path], Path]) -> None:
    path = make(folder)
    with demo_folder():
        assert path.exists()


def test_what_belongs_to_another_user_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = left_behind(folder)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with demo_folder():
        assert path.is_dir()
