"""A module is commissioned by a tool only after somebody has pressed its reset button."""

from dataclasses import replace

import pytest

from drivers.virtual.device import Device
from drivers.virtual.memory import Sums
from drivers.virtual.node import DeviceKind, State, domain_address, domain_entry

from .bench import DOMAIN_55, TRACED_PROFILE, Bench, Tool, request


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def device(bench: Bench) -> Device:
    return bench.device(replace(TRACED_PROFILE, kind=DeviceKind.MODULE))


@pytest.fixture
def tool(bench: Bench, device: Device) -> Tool:
    return Tool(bench)


def press_reset(bench: Bench, device: Device) -> None:
    device.press_reset_button()
    bench.wait(1)


def test_fresh_out_of_the_box_it_refuses_domain_and_state_and_still_answers_and_winks(
    bench: Bench, tool: Tool, device: Device
) -> None:
    assert device.node.locked
    assert tool.ask(DOMAIN_55) == "03"
    assert tool.ask("6c 03 04") == "0c"
    assert tool.status()[1] == "02"
    bench.ask(request("70", 0, pdu=0x3C))
    assert device.node.winks == 1


def test_the_button_resets_it_and_lets_it_be_commissioned(bench: Bench, tool: Tool, device: Device) -> None:
    device.press_reset_button()
    assert tool.ask("51", wait=0.1) == ""
    bench.wait(1)
    assert tool.status()[0] == "02"  # external reset
    tool.configure()
    tool.reset()
    assert tool.status()[1] == "04"
    assert not device.node.locked


def test_the_release_outlives_resets_and_power_until_it_is_used(bench: Bench, tool: Tool, device: Device) -> None:
    press_reset(bench, device)
    assert tool.ask("6c 03 02") == "2c"
    tool.reset()
    device.power_off()
    device.power_on()
    bench.wait(1)
    tool.configure()


def test_its_own_site_may_change_it_and_when_it_leaves_it_is_locked_again(
    bench: Bench, tool: Tool, device: Device
) -> None:
    press_reset(bench, device)
    tool.configure()
    tool.reset()
    assert tool.ask(DOMAIN_55) == "23"
    assert tool.ask("6c 03 02") == "2c"
    tool.reset()
    assert device.node.locked
    assert tool.ask(DOMAIN_55) == "03"


def test_one_that_works_in_another_site_is_taken_over_only_after_the_button(
    bench: Bench, tool: Tool, device: Device
) -> None:
    elsewhere = ((domain_address(0), domain_entry(b"\x37", 2, 3)), device.node.state_change(State.CONFIGURED))
    device.node.commit(elsewhere, Sums.CONFIGURATION)
    assert tool.ask(DOMAIN_55) == "03"
    assert tool.ask("6c 03 02") == "0c"
    press_reset(bench, device)
    assert tool.status()[1] == "04"
    assert tool.ask("6c 03 02") == "2c"
    tool.configure()


def test_the_button_of_any_other_device_resets_it_and_that_is_all(bench: Bench) -> None:
    plain = bench.device()
    tool = Tool(bench)
    tool.configure()
    press_reset(bench, plain)
    assert tool.status()[:2] == ("02", "04")


def test_without_power_the_button_does_nothing(bench: Bench, tool: Tool, device: Device) -> None:
    device.power_off()
    press_reset(bench, device)
    assert not device.powered
    assert device.node.locked
