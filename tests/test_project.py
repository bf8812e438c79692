"""The project itself: it is clean, typed, and its rooms keep to their doors."""

import argparse
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import pytest

from core.actions import ACTIONS
from tui.command_line import SUBJECTS
from tui.commands.parsing import Commands
from tui.commands.session import Command

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "check",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports", "--no-cache"),
    ],
    ids=" ".join,
)
def test_the_project_passes(check: tuple[str, ...]) -> None:
    program = Path(sys.executable).with_name(check[0])
    done = subprocess.run([program, *check[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_listing_loads_neither_the_console_nor_what_talks_to_the_worker(tmp_path: Path) -> None:
    fieldhand = [sys.executable, "-m", "tui.command_line"]
    try:
        subprocess.run([*fieldhand, "devices", "--state", tmp_path], check=True)  # a worker makes the store
        loaded = _loaded_by("devices", "--state", str(tmp_path))
    finally:
        subprocess.run([*fieldhand, "worker", "stop", "--state", tmp_path], check=True)
    assert "core.store.views" in loaded
    assert not loaded & {"textual", "pydantic", "core.client", "core.engine.engine", "tui.commands.actions"}


def test_the_version_is_told_without_loading_anything_that_works() -> None:
    assert not _loaded_by("--version") & {"textual", "pydantic", "asyncio", "sqlite3", "core.models"}


def _loaded_by(*arguments: str) -> set[str]:
    program = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        " from tui.command_line import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("subject", SUBJECTS)
def test_each_module_brings_exactly_the_commands_it_is_listed_with(subject: str) -> None:
    class Seen(Commands):
        names: ClassVar[set[str]] = set()

        def add(self, name: str, command: Command, text: str) -> argparse.ArgumentParser:
            self.names.add(name)
            return argparse.ArgumentParser()

        def group(self, name: str, text: str, command: Command | None = None) -> Commands:
            self.names.add(name)
            return Commands(argparse.ArgumentParser().add_subparsers(), argparse.ArgumentParser(add_help=False))

    Seen.names = set()
    import_module(f"tui.commands.{subject}").add(Seen(None, argparse.ArgumentParser()))
    assert Seen.names == (SUBJECTS[subject] or {action.name for action in ACTIONS})


def test_whatever_the_readme_tells_an_operator_to_type_is_understood() -> None:
    from tui.command_line import _common, _parser

    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("    fieldhand ")]
    assert commands
    for command in commands:
        if command[1:2] != ["field"]:  # a program of its own
            _parser(_common()).parse_args(command[1:])
