"""An installation and virtual fields that end with their test."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.end_to_end.installation import Field, Installation
from tests.end_to_end.terminals import Terminal


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    there = Installation(tmp_path / "state")
    yield there
    there.close()


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Callable[..., Field]]:
    """Start a virtual field with these options."""
    started: list[Field] = []

    def start(*arguments: str) -> Field:
        started.append(Field(tmp_path / f"field-{len(started)}", *arguments))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Start a program in a terminal of its own."""
    started: list[Terminal] = []

    def start(command: Sequence[str], environment: dict[str, str], columns: int = 80, rows: int = 24) -> Terminal:
        started.append(Terminal(command, environment, columns, rows))
        return started[-1]

    yield start
    for one in started:
        one.close()
