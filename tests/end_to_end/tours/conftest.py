from collections.abc import Callable

import pytest

from core.rpc import Request
from tests.end_to_end.installation import Field, Installation, Terminal
from tests.end_to_end.tours.tour import SIZES, OpenTour, Tour


@pytest.fixture(params=SIZES)
def tour(
    request: pytest.FixtureRequest,
    installation: Installation,
    field: Callable[..., Field],
    terminal: Callable[..., Terminal],
) -> OpenTour:
    """Begin a tour on a site with so many devices."""

    def begin(devices: int, *requests: Request[object], seats: int = 10, options: tuple[str, ...] = ()) -> Tour:
        there = field("--lon", str(devices), "--rate", "unlimited", "--write-ms", "1", *options)
        tour = Tour(installation, there, terminal, request.param)
        tour.set_up(seats, *requests)
        return tour

    return begin
