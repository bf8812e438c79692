"""Winks, tests, resets, and devices that go for good."""

from tests.end_to_end.tours.tour import ENTER, OpenTour


def test_a_device_winks_is_tested_and_reset(tour: OpenTour) -> None:
    here = tour(2)
    uids = [device.uid for device in here.devices()]
    here.keys("w").sees("Wink: Fan 1: it winked").keys("j", "W").opens("Winking: Fan 2", "winking every 2 s")
    here.keys(" ").no_longer_sees("winking every 2 s").keys("k", "T").opens("Test Fan 1", "How often", "Enter: Test")
    here.types("17", instead_of="10").keys(ENTER).sees("Test: Fan 1: 17 of 17 answered")
    here.keys("e").sees("Reset: Fan 1", "Reset 1").agrees("Reset: Fan 1: it started anew").keys("H")
    here.sees("3 lines of Fan 1").reads("reset", "done: it started anew").reads("test", "done: 17 of 17")
    here.reads("wink", "done: it winked").goes_back("2 devices").leaves()
    assert [here.field.truth()[uid]["winks"] > 0 for uid in uids] == [True, True]


def test_what_failed_in_a_test_is_tested_again(tour: OpenTour) -> None:
    here = tour(3)
    off = here.devices()[1].uid
    here.field.command(f"power-off {off}")
    here.keys("*").sees("3 selected").keys("t").sees("Test Selected: 3 devices", "Test 3")
    here.agrees("Test Selected: 2 of 3 done, 1 failed; J shows which").reads("✖ failed: ", "Fan 2").keys("J")
    here.sees("Job 1: Test Selected  ✖ partly", "2 done  1 failed", "r retry failed").reads(
        "✖ failed", "Fan 2", "no answer"
    )
    here.reads("● done", "Fan 1", "1 of 1 answ").field.command(f"power-on {off}")
    here.keys("r").sees("Test: Fan 2: 1 of 1 answered").goes_back().reads("○ unprovisioned", "Fan 2").leaves()


def test_a_device_is_removed_and_ignored_until_it_is_wanted_again(tour: OpenTour) -> None:
    here = tour(3)
    gone = here.devices()[0].uid
    here.keys("X").sees("Remove: Fan 1", "1 may be found again", "take the device off it first", "Remove 1")
    here.reads("Ignore", "offered again when found", "[ ]").opens("i  ignore it from now on").keys("i")
    here.reads("Ignore", "never offered again when found", "[✓]").sees("Remove and ignore 1")
    here.agrees("2 devices", "seats 2/10").keys("D").opens("Discover on FT-1", "1 new, 2 known, 0 ticked")
    here.reads(gone, "ignored").keys(" ").sees("1 ticked", "Enter adopt 1").keys(ENTER)
    here.sees("1 device adopted", "3 devices", "seats 3/10").reads("○ unprovisioned", gone).leaves()
