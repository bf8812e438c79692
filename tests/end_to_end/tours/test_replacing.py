"""A unit fails, and a new one takes its place."""

from tests.end_to_end.tours.tour import CLEAR_LINE, CTRL_N, CTRL_O, ENTER, OpenTour, Tour


def the_other(here: Tour) -> str:
    """The UID of the unit that lies on the shelf."""
    (uid,) = here.field.truth().keys() - {device.uid for device in here.devices()}
    return uid


def test_a_configuration_is_saved_and_goes_into_the_unit_whose_service_pin_is_pressed(tour: OpenTour) -> None:
    here = tour(2, adopt=1)
    (old,), new = here.devices(), the_other(here)
    here.keys("p").reads("● ok", "Fan 1", "1/1").keys("B")
    here.sees("nothing to restore configuration on Fan 1: its configuration was never saved").keys("b")
    here.sees("configuration saved: 15 addresses").keys("i")
    here.reads("Saved", "configuration, ").goes_back().keys("B").sees("Restore Configuration 1")
    here.agrees("Restore Configuration: Fan 1: nothing differed")
    here.field.command(f"power-off {old.uid}")
    here.keys("c").sees("Replace Fan 1", "type, paste or scan its UID", "Enter goes on when the UID is there")
    here.reads("UID", old.uid, "waiting for it").reads("Configuration", "saved", "restored")
    here.field.command(f"press {new}")
    here.reads("UID", old.uid, f"{new}  (service pin)").reads("Program ID", "the same")
    here.reads("Name", "Fan 1", "taken over").reads("Address", "1/1", "taken over")
    here.sees("Enter shows the plan: Replace 1").keys(ENTER)
    here.sees("Replace: Fan 1", "Replace 1").agrees("took the place of").goes_back().reads("● ok", "Fan 1", new, "1/1")
    here.leaves()
    assert here.field.truth()[new]["state"] == "configured"
    assert [(device.id, device.name, device.uid) for device in here.devices()] == [(old.id, "Fan 1", new)]


def test_a_module_waits_for_its_reset_button_and_winks_to_show_which_it_is(tour: OpenTour) -> None:
    here = tour(2, adopt=1, options=("--kind", "module"))
    (old,), new = here.devices(), the_other(here)
    here.keys("p").reads("✖ failed: ", "Fan 1").sees("a step by hand comes first: hold the rese")
    here.field.command(f"reset {old.uid}")
    here.keys("p").reads("● ok", "Fan 1", "1/1").keys("c").sees("Replace Fan 1")
    here.types("123").keys(ENTER).sees("'123' is no LON UID", "Enter asks the new unit who it is").keys(CLEAR_LINE)
    here.sees("waiting for it").types(old.uid).keys(ENTER).sees("has now").keys(CLEAR_LINE).sees("waiting for it")
    here.types(new).keys(ENTER).reads("Program ID", "the same").sees("Enter ticks step 1 of 2", "Ctrl-n wink at new")
    here.reads("[ ]", "hold the reset button of the new module").reads("[ ]", "let go when its LED blinks")
    here.keys(CTRL_N).sees(f"winked at the new one, {new}").keys(CTRL_O).sees(f"winked at the old one, {old.uid}")
    here.field.command(f"reset {new}")
    here.keys(ENTER).reads("[✓]", "hold the reset button").sees("Enter ticks step 2 of 2").keys(ENTER)
    here.reads("[✓]", "let go when its LED blinks").sees("Enter shows the plan: Replace 1").keys(ENTER)
    here.sees("Replace: Fan 1", "Replace 1").agrees("took the place of").goes_back().reads("● ok", "Fan 1", new)
    here.leaves()
    truth = here.field.truth()
    assert (truth[new]["state"], truth[new]["winks"], truth[old.uid]["winks"]) == ("configured", 1, 1)
