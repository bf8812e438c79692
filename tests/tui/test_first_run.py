"""From nothing to a port: the first-run screen, and the same list behind n in the Ports view."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import licensing
from core.errors import FieldhandError, Kind
from core.models import Port
from core.rpc import AddLicense, AddPort, Adopt, Discover, FindPorts, FoundDevice, TrustKey, TryPort
from drivers.base import Found
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, Spec, place
from tests.tui.operator import Operator
from tui.flows.virtual_field import VirtualField
from tui.screens.ask import AskDialog
from tui.screens.discover import DiscoverDialog
from tui.screens.first import FirstScreen
from tui.screens.main import MainScreen
from tui.screens.port_finder import PortFinder
from tui.screens.port_trial import PortTrial

USB = place("/dev/serial/by-id/usb-Echelon_U60-if00", "Echelon U60 FT", "/dev/ttyACM0")
BUSY = place("/dev/ttyS0", "built in", holder="process 812 (agetty)")


class NoField(VirtualField):
    """A virtual field without a process."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.started = 0
        self.closed = 0
        self.refusal: FieldhandError | None = None

    @property
    def running(self) -> bool:
        return self.started > 0

    async def start(self) -> str:
        if self.refusal is not None:
            raise self.refusal
        self.started += 1
        return "lon:///tmp/field/lon0"

    def serves(self, port: Port) -> bool:
        return port.name == "virtual"

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def field(tmp_path: Path) -> NoField:
    return NoField(tmp_path / "field")


@pytest.fixture
def plugged(engine: FakeEngine) -> FakeEngine:
    """A machine with an interface and a console, and devices behind the interface."""
    engine.places = (USB, BUSY)
    engine.found = tuple(
        FoundDevice(found=Found(uid), name=uid, known=False) for uid in ("00D071150900", "00D071150907")
    )
    return engine


async def shown(operator: Operator, *texts: str) -> None:
    await operator.until(lambda: all(text in operator.screen() for text in texts))


async def test_a_site_without_a_port_says_what_there_is_and_what_to_do(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    async with open_console(field=field) as operator:
        assert isinstance(operator.app.screen, FirstScreen)
        assert "No port yet" in operator.screen()
        assert "ttyACM0" in operator.line("Echelon U60 FT")
        assert "process 812 (agetty)" in operator.line("ttyS0")
        assert operator.line("usb-Echelon_U60-if00").strip() == USB.path
        for key in ("Enter", "v", "n", "s"):
            assert any(line.strip().startswith(f"{key} ") for line in operator.screen().splitlines())
        assert "devices stay unlicensed" in operator.screen()
        assert all(len(line) <= 80 for line in operator.screen().splitlines())
        assert plugged.called(TryPort) == []


async def test_a_site_with_a_port_opens_as_ever(plugged: FakeEngine, open_console: OpenConsole, field: NoField) -> None:
    await plugged.add_port()
    async with open_console(field=field) as operator:
        assert isinstance(operator.app.screen, MainScreen)
        assert field.started == 0


async def test_who_may_only_look_is_not_asked_to_add_anything(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    plugged.greeting = plugged.greeting.model_copy(update={"role": "viewer"})
    async with open_console(field=field) as operator:
        assert isinstance(operator.app.screen, MainScreen)


async def test_a_port_is_tried_named_added_and_searched(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    await plugged.add_license(10)
    async with open_console(field=field) as operator:
        await operator.press("enter")
        assert isinstance(operator.app.screen, PortTrial)
        assert plugged.called(TryPort) == []
        await operator.press("enter")
        assert plugged.called(TryPort) == [TryPort(url=f"lon://{USB.path}")]
        assert isinstance(operator.app.screen, AskDialog)
        await shown(operator, "A LON network interface answers. Its name here", "LON-1")
        await operator.press("enter")
        assert plugged.called(AddPort) == [AddPort(url=f"lon://{USB.path}", name="LON-1")]
        await operator.until(lambda: isinstance(operator.app.screen, DiscoverDialog))
        await shown(operator, "adopt 2")
        assert plugged.called(Discover) == [Discover(port="LON-1")]
        await operator.press("enter")
        assert len(plugged.called(Adopt)) == 1
        await operator.until(lambda: isinstance(operator.app.screen, MainScreen))
        assert operator.message == "2 devices adopted from LON-1: Space selects, p provisions"


async def test_devices_adopted_without_a_license_say_where_to_add_one(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    async with open_console(field=field) as operator:
        await operator.press("enter", "enter", "enter")
        await shown(operator, "adopt 2")
        await operator.press("enter")
        assert operator.message == "2 devices adopted, unlicensed until a license is added: 5 Licenses, n"


async def test_what_does_not_answer_says_why_and_the_next_is_offered(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    plugged.silent = {f"lon://{USB.path}"}
    async with open_console(field=field) as operator:
        await operator.press("enter", "enter")
        await shown(operator, "does not answer as a lon interface")
        assert operator.line("LON, U50").split("│")[1].rstrip().endswith(" no")
        assert "▸ LON, U61" in operator.line("LON, U61")
        await operator.press("enter")
        assert [call.url for call in plugged.called(TryPort)] == [
            f"lon://{USB.path}",
            f"lon://{USB.path}?interface=u61",
        ]
        assert isinstance(operator.app.screen, AskDialog)


async def test_only_one_thing_is_tried_at_a_time(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    plugged.hold(TryPort)
    async with open_console(field=field) as operator:
        await operator.press("enter", "enter", "down", "enter")
        assert len(plugged.called(TryPort)) == 1
        assert "trying" in operator.line("LON, U50")
        plugged.let_go()
        await operator.until(lambda: isinstance(operator.app.screen, AskDialog))


async def test_a_port_that_is_held_says_by_whom_and_is_not_tried(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    async with open_console(field=field) as operator:
        await operator.press("j", "enter")
        assert operator.message == "ttyS0 is held by process 812 (agetty): end that, then r looks again"
        plugged.places = (USB, place("/dev/ttyS0", "built in"))
        await operator.press("r", "enter")
        assert isinstance(operator.app.screen, PortTrial)


async def test_the_screen_is_over_when_somebody_else_adds_a_port(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    async with open_console(field=field) as operator:
        await plugged.add_port("FT-1")
        await operator.until(lambda: isinstance(operator.app.screen, MainScreen))
        await plugged.add(Spec("AHU"))
        await shown(operator, "AHU")


@pytest.mark.parametrize("key", ["s", "escape", "q"])
async def test_it_can_be_skipped_and_the_empty_list_says_the_same(
    engine: FakeEngine, open_console: OpenConsole, field: NoField, key: str
) -> None:
    async with open_console(field=field) as operator:
        assert "None on this machine" in operator.screen()
        await operator.press(key)
        assert isinstance(operator.app.screen, MainScreen)
        assert "no port to find them on" in operator.screen()
        assert "shows the ports, and n there adds one" in operator.screen()
        assert "shows the licenses, and n there adds one" in operator.screen()


async def test_the_virtual_field_brings_a_port_and_a_license_to_practise_for_a_week(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    async with open_console(field=field) as operator:
        await operator.press("v")
        await shown(operator, "adopt 2")
        assert field.started == 1
        assert plugged.called(AddPort) == [AddPort(url="lon:///tmp/field/lon0", name="virtual")]
        (trusted,), (added,) = plugged.called(TrustKey), plugged.called(AddLicense)
        license = licensing.LicenseFile.model_validate_json(added.text)
        assert license.key == licensing.key_id(licensing.load_public_key(trusted.key))
        assert license.license.devices == 48
        assert license.license.expires is not None
        assert (license.license.expires - license.license.issued).days in (6, 7)


async def test_a_site_with_a_license_is_given_none_to_practise(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    await plugged.add_license(10)
    async with open_console(field=field) as operator:
        assert "license" not in operator.screen()
        await operator.press("v")
        await shown(operator, "adopt 2")
        assert plugged.called(AddLicense) == []


async def test_a_virtual_field_whose_port_cannot_be_added_does_not_go_on(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    plugged.errors[AddPort] = FieldhandError(Kind.DUPLICATE_NAME, name="virtual", what="port")
    async with open_console(field=field) as operator:
        await operator.press("v")
        await operator.until(lambda: "is taken" in operator.message)
        assert field.closed == 1


async def test_a_site_that_has_a_virtual_field_gets_it_back_and_asks_its_devices_how_they_are(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    await plugged.add_port("virtual", "lost")
    async with open_console(field=field) as operator:
        assert field.started == 1
        assert operator.message == "the virtual field has started afresh: asking its devices"
        assert plugged.called(Discover) == []
        await plugged.change("UPDATE port SET state = 'open', rev = :rev")
        await operator.until(lambda: "as new again" in operator.message)
        assert operator.message == "the virtual field has started afresh: its 2 devices are as new again"
        assert plugged.called(Discover) == [Discover(port="virtual")]


async def test_a_virtual_field_whose_port_does_not_open_again_is_told_of(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.flows.practice.OPENING_SECONDS", 0.0)
    await plugged.add_port("virtual", "lost")
    async with open_console(field=field) as operator:
        await operator.until(lambda: "does not open" in operator.message)
        assert plugged.called(Discover) == []


async def test_a_virtual_field_that_runs_already_is_left_alone(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    field.started = 1
    await plugged.add_port("virtual")
    async with open_console(field=field) as operator:
        assert field.started == 1
        assert operator.message == ""


async def test_a_second_console_leaves_the_virtual_field_to_the_first(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    await plugged.add_port("virtual")
    field.refusal = FieldhandError(Kind.IN_USE, what="virtual field", name="virtual", reason="another console runs it")
    async with open_console(field=field) as operator:
        assert operator.message == ""


# ---- n in the Ports view


async def test_the_ports_view_offers_the_same_list(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    plugged.places = (USB, BUSY, place("/dev/ttyS1", "built in", port="FT-1"))
    await plugged.add_port("FT-1")
    async with open_console(field=field) as operator:
        await operator.press("6", "n")
        assert isinstance(operator.app.screen, PortFinder)
        assert "Echelon U60 FT" in operator.line("▸ ttyACM0")
        assert "virtual field" in operator.screen()
        await operator.type("ttys1")
        await operator.press("enter")
        await shown(operator, "it is port FT-1 of this site already")
        await operator.press("ctrl+u")
        await operator.type("ttyS0")
        await operator.press("enter")
        await shown(operator, "process 812 (agetty) holds it")
        await operator.press("ctrl+u")
        await operator.type("u60")
        await operator.press("enter", "enter", "ctrl+u")
        await operator.type("FT-2")
        await operator.press("enter")
        assert plugged.called(AddPort) == [AddPort(url=f"lon://{USB.path}", name="FT-2")]


async def test_a_path_that_is_not_listed_can_be_typed(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    async with open_console(field=field) as operator:
        await operator.press("n")
        await operator.type("/tmp/lon0")
        await operator.press("enter")
        assert plugged.called(FindPorts)[-1] == FindPorts(path="/tmp/lon0")
        assert isinstance(operator.app.screen, PortTrial)
        await shown(operator, "/tmp/lon0")


async def test_a_url_can_be_typed_and_what_is_wrong_is_said_where_it_is_named(
    plugged: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    await plugged.add_port("LON-1")
    async with open_console(field=field) as operator:
        await operator.press("6", "n")
        await operator.type("lon:///dev/ttyACM0?baud=9600")
        await operator.press("enter")
        assert isinstance(operator.app.screen, AskDialog)
        assert "LON-2" in operator.screen()
        plugged.errors[AddPort] = FieldhandError(Kind.PORT_BUSY, port="ttyACM0", holder="another program")
        await operator.press("enter")
        await shown(operator, "held by another program")
        del plugged.errors[AddPort]
        await operator.press("enter")
        assert plugged.called(AddPort)[-1] == AddPort(url="lon:///dev/ttyACM0?baud=9600", name="LON-2")


async def test_the_virtual_field_is_in_the_list_until_the_site_has_it(
    engine: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    await engine.add_port("FT-1")
    async with open_console(field=field) as operator:
        await operator.press("6", "n", "enter")
        assert field.started == 1
        assert engine.called(AddPort)[-1].name == "virtual"
        await operator.press("escape")
        await operator.up_to_date()
        await operator.press("n")
        assert "virtual field" not in operator.screen()


async def test_a_name_from_a_device_is_never_markup(
    engine: FakeEngine, open_console: OpenConsole, field: NoField
) -> None:
    engine.places = (place("/dev/ttyACM0", "[red]Evil[/red]\x1b[2J"),)
    async with open_console(field=field) as operator:
        assert "[red]Evil[/red]" in operator.screen()
        await operator.press("n")
        assert "[red]Evil[/red]" in operator.screen()
