"""What stands in the field."""

import pytest

from drivers.virtual.building import Building, Furnishing
from drivers.virtual.device import RELIABLE
from drivers.virtual.node import DeviceKind, State


def furnish(*channels: int, seed: int = 7, mixed: bool = True) -> list[Furnishing]:
    building = Building(seed, mixed, sum(channels))
    return [stands for devices in channels for stands in building.furnish(devices)]


def test_exactly_one_device_of_a_building_is_marginal_and_it_is_there_to_be_found() -> None:
    for seed in range(20):
        marginal = [stands for stands in furnish(10, 20, 5, seed=seed) if stands.temperament != RELIABLE]
        assert [stands.node.error_log for stands in marginal] == [131]
        assert [stands.powered for stands in marginal] == [True]
        assert [stands.node.state for stands in marginal] == [State.UNCONFIGURED]


def test_neuron_ids_are_plausible_and_unique_over_all_channels() -> None:
    ids = [stands.node.neuron_id.hex() for stands in furnish(500, 500)]
    assert len(set(ids)) == 1000
    assert all(neuron_id.startswith("00d071") for neuron_id in ids)


def test_another_seed_is_another_building() -> None:
    assert {stands.node.neuron_id for stands in furnish(20)}.isdisjoint(
        stands.node.neuron_id for stands in furnish(20, seed=8)
    )


def test_every_family_is_in_a_building_with_a_program_and_a_name_of_its_own() -> None:
    profiles = [stands.node.profile for stands in furnish(200)]
    names = [profile.documentation.partition(";")[2] for profile in profiles]
    families = {name.split()[0].split("-")[0] for name in names}
    assert families == {"AHU", "VAV", "Boiler", "Exhaust", "Pump", "Module"}
    assert len({profile.program_id for profile in profiles}) == len(families)
    assert len(set(names)) == 200


@pytest.mark.parametrize(("devices", "modules", "updatable"), [(16, 0, 1), (48, 1, 4), (400, 2, 33)])
def test_a_building_has_a_few_fresh_devices_of_the_other_kinds(devices: int, modules: int, updatable: int) -> None:
    kinds = [stands.node.profile.kind for stands in furnish(devices) if stands.powered]
    assert kinds.count(DeviceKind.MODULE) == modules
    assert kinds.count(DeviceKind.UPDATE) == updatable
    special = [stands.node for stands in furnish(devices) if stands.node.profile.kind is not DeviceKind.PLAIN]
    assert {node.state for node in special} == {State.UNCONFIGURED}
    assert {node.locked for node in special if node.profile.kind is DeviceKind.UPDATE} == {False}


@pytest.mark.parametrize("kind", DeviceKind)
def test_without_the_mix_all_devices_are_of_the_kind_asked_for(kind: DeviceKind) -> None:
    building = Building(7, False, 20, kind)
    profiles = [stands.node.profile for stands in building.furnish(20)]
    assert {profile.kind for profile in profiles} == {kind}
    assert all(profile.program_id.hex().startswith("9fffff0510") == (kind is DeviceKind.MODULE) for profile in profiles)


def test_without_the_mix_all_devices_are_fresh_and_alike() -> None:
    devices = furnish(50, mixed=False)
    assert len({stands.node.program_id for stands in devices}) == 1
    assert {stands.node.state for stands in devices} == {State.UNCONFIGURED}
    assert {(stands.powered, stands.temperament, stands.node.profile.documentation) for stands in devices} == {
        (True, RELIABLE, "")
    }
