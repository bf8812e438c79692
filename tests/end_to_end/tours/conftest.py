import shutil
from collections.abc import Callable, Iterator, Sequence

import pytest

from core.rpc import Request
from tests.end_to_end.installation import Field, Installation
from tests.end_to_end.terminals import Screen, Terminal, Tmux
from tests.end_to_end.tours.tour import SIZES, OpenScreen, OpenTour, Tour


@pytest.fixture
def screen() -> Iterator[OpenScreen]:
    """Start a program in tmux, or in a plain terminal where there is no tmux."""
    started: list[Screen] = []
    kind = Tmux if shutil.which("tmux") else Terminal

    def start(command: Sequence[str], environment: dict[str, str], columns: int, rows: int) -> Screen:
        started.append(kind(command, environment, columns, rows))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(params=SIZES)
def tour(
    request: pytest.FixtureRequest, installation: Installation, field: Callable[..., Field], screen: OpenScreen
) -> OpenTour:
    """Begin a tour on a site with so many devices, of which so many are known to it."""

    def begin(
        devices: int,
        *requests: Request[object],
        seats: int = 10,
        adopt: int | None = None,
        options: tuple[str, ...] = (),
    ) -> Tour:
        there = field("--lon", str(devices), "--rate", "unlimited", "--write-ms", "1", "--reset-ms", "50", *options)
        tour = Tour(installation, there, screen, request.param)
        tour.set_up(seats, adopt, *requests)
        return tour.opens_the_console()

    return begin
