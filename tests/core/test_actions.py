"""The catalogue holds together."""

import dataclasses
from collections.abc import Callable

import pytest

from core.actions import ACTIONS, BY_NAME, Action, AddressUse, Confirm, Scope
from drivers.base import Capability, Driver

CAPABILITIES_OF_THE_BASE = {
    Capability.DISCOVER,
    Capability.SERVICE_PIN,
    Capability.IDENTIFY,
    Capability.REPORTS,
}
"""They are no actions on a device, so that the base declares them itself."""


@pytest.mark.parametrize("unique", [lambda a: a.name, lambda a: a.key, lambda a: a.label])
def test_no_two_actions_share_a_name_a_key_or_a_label(unique: Callable[[Action], object]) -> None:
    values = [unique(action) for action in ACTIONS]
    assert len(values) == len(set(values))


def test_every_action_is_found_by_its_name() -> None:
    assert [BY_NAME[action.name] for action in ACTIONS] == list(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_an_action_says_what_people_need_to_read(action: Action) -> None:
    assert action.label and action.past and action.help
    assert len(action.key) == 1
    assert "\n" not in action.help
    assert action.offered_in


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_the_capability_of_an_action_names_a_method_of_the_lon_driver(action: Action) -> None:
    from drivers.lon.driver import LonDriver

    assert action.capability in LonDriver.capabilities
    assert callable(getattr(LonDriver, action.capability.value))


@pytest.mark.parametrize("capability", sorted(CAPABILITIES_OF_THE_BASE))
def test_a_capability_names_a_method_of_the_base_where_that_has_one(capability: Capability) -> None:
    assert callable(getattr(Driver, capability.value))


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_every_parameter_has_a_help(action: Action) -> None:
    assert all(parameter.metadata["help"] for parameter in dataclasses.fields(action.parameters))


def test_what_happens_to_a_device_of_one_key_needs_no_parameter() -> None:
    """A key of the console starts it; image and new unit are chosen in views of their own."""
    asking = {a.name for a in ACTIONS for p in dataclasses.fields(a.parameters) if p.default is dataclasses.MISSING}
    assert asking == {"load", "replace"}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_groups_crowds_and_all_always_ask(action: Action) -> None:
    assert action.asks(Scope.GROUP, 1)
    assert action.asks(Scope.ALL, 1)
    assert action.asks(Scope.SELECTED, 2)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_a_single_device_is_asked_about_only_where_the_entry_says_so(action: Action) -> None:
    assert action.asks(Scope.DEVICE, 1) is (action.confirm is Confirm.ALWAYS)


def test_taking_a_device_out_of_service_always_asks() -> None:
    assert all(action.confirm is Confirm.ALWAYS for action in ACTIONS if action.address is AddressUse.RELEASE)


def test_the_title_says_on_what_it_is_started() -> None:
    provision = BY_NAME["provision"]
    assert [provision.title(scope) for scope in Scope] == [
        "Provision",
        "Provision Selected",
        "Provision All Devices",
        "Provision All",
    ]


def test_a_warning_is_for_a_standing_in_which_the_action_is_offered() -> None:
    for action in ACTIONS:
        assert {where for where, _ in action.warnings} <= action.offered_in
