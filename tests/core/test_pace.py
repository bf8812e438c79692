"""How far, how fast and how long still: in the words beside the percentage."""

from core.engine.pace import RATE_SECONDS, Pace
from drivers.base import Progress


def bytes_of(done: int) -> Progress:
    return Progress(done, 48_700, "bytes")


def test_a_rate_is_said_as_soon_as_there_is_one() -> None:
    pace = Pace()
    assert pace.describe(bytes_of(6_100), 100.0) == "6.1 of 48.7 kB"
    assert pace.describe(bytes_of(6_100), 101.0) == "6.1 of 48.7 kB"
    assert pace.describe(bytes_of(12_300), 102.0) == "12.3 of 48.7 kB, 3.1 kB/s, 12 s left"


def test_only_the_last_seconds_count() -> None:
    pace = Pace()
    for second in range(100):  # slow at first
        pace.describe(bytes_of(10 * second), float(second))
    for second in range(100, 100 + 3 * int(RATE_SECONDS)):
        said = pace.describe(bytes_of(990 + 1000 * (second - 99)), float(second))
    assert ", 1.0 kB/s, 18 s left" in said


def test_what_was_done_before_is_not_speed() -> None:
    pace = Pace()
    pace.describe(bytes_of(40_000), 0.0)
    assert "0.1 kB/s" in pace.describe(bytes_of(40_100), 1.0)


def test_a_step_counts_by_itself_and_so_does_a_count_that_begins_anew() -> None:
    pace = Pace()
    pace.describe(bytes_of(48_000), 0.0)
    assert pace.describe(bytes_of(100), 1.0) == "0.1 of 48.7 kB"
    pace.begin()
    assert pace.describe(bytes_of(200), 2.0) == "0.2 of 48.7 kB"


def test_long_times_are_said_in_minutes_and_hours() -> None:
    for done, left in ((4_370, "1 m 41 s left"), (48, "2 h 48 m left")):
        pace = Pace()
        pace.describe(bytes_of(0), 0.0)
        assert pace.describe(bytes_of(done), 10.0).endswith(left)


def test_of_tries_the_percentage_says_enough() -> None:
    assert Pace().describe(Progress(1, 2, "tries"), 0.0) == ""
