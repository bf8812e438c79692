"""What devices answer and say by themselves, and when nobody asks them."""

from core.rpc import EditSite
from tests.end_to_end.tours.tour import ENTER, ESC, OpenTour


def test_monitoring_is_paused_by_hand_and_by_a_job_and_goes_on(tour: OpenTour) -> None:
    here = tour(3, EditSite(pause_above=0, poll_seconds=1))
    here.keys("p").reads("● ok", "Fan 1").keys("6").reads("▸ FT-1", "open", "3", " on ").sees("Space pause", "P all")
    here.keys(" ").sees("monitoring of FT-1 paused", "1 paused").reads("▸ FT-1", "open", "paused by hand")
    here.keys(" ").sees("monitoring of FT-1 resumed").no_longer_sees("paused by hand").keys("P")
    here.sees("monitoring of all ports paused", "1 paused").keys("1", "*").sees("3 selected")
    here.keys("6", "P").sees("monitoring of all ports resumed").no_longer_sees("1 paused")
    here.keys("1").sees("3 selected").keys("p").opens("Provision Selected: 3 devices", "m  pause monitoring, or not")
    here.reads("Monitoring", "paused by this job, then resumed", "[✓]").keys("m")
    here.reads("Monitoring", "goes on during this job", "[ ]").keys("m").reads("Monitoring", "then resumed", "[✓]")
    here.agrees("2 of 2 done").keys("7", "/", "monitoring", ENTER)
    here.reads("FT-1", "monitoring", "paused by job 2").reads("FT-1", "monitoring", "resumed").keys("6")
    here.reads("▸ FT-1", "open", " on ").leaves()


def test_events_are_followed_frozen_and_filtered_and_a_device_that_is_lost_is_down(tour: OpenTour) -> None:
    here = tour(2, EditSite(poll_seconds=1))
    lost = here.devices()[1]
    here.keys("7").sees("No events yet", "Provisioned devices are polled").keys("1", "*").sees("2 selected").keys("p")
    here.agrees("2 of 2 done").keys("7").reads("FT-1", "Fan 1", "poll", "answers").sees("f freeze", "/ filter")
    here.field.command(f"power-off {lost.uid}")
    here.reads("FT-1", "Fan 2", "health", "suspect: it does not answer").keys("f").sees("frozen", "f go on")
    here.keys("1").reads("▼ down", "Fan 2").keys("7").sees("frozen", "f go on").keys("f").no_longer_sees("frozen")
    here.keys("/", "health").reads("/ health", " of ").reads("Fan 2", "health", "down: ").keys(ENTER)
    here.sees("f freeze").no_longer_sees("answers").field.command(f"power-on {lost.uid}")
    here.reads("Fan 2", "health", "normal: it answers").keys(ESC).sees("no filter").reads("Fan 2", "poll", "answers")
    here.keys("1").reads("● ok", "Fan 2").leaves()
