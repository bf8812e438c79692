"""The project itself: it is clean, typed, and its rooms keep to their doors."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_a_listing_does_not_load_the_console() -> None:
    program = "import sys; import tui.command_line; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_whatever_the_readme_tells_an_operator_to_type_is_understood() -> None:
    from tui.command_line import _parser

    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("    fieldhand ")]
    assert commands
    for command in commands:
        if command[1:2] != ["field"]:  # a program of its own
            _parser().parse_args(command[1:])
