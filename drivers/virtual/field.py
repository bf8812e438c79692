"""The field: all ports on one timeline, the commands a person can give, and the truth about its devices."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from typing import Any, TypeVar

from drivers.virtual.building import Building
from drivers.virtual.channel import Faults
from drivers.virtual.device import Device
from drivers.virtual.modbus_bus import BusFaults
from drivers.virtual.modbus_port import ModbusPort
from drivers.virtual.modbus_unit import Unit
from drivers.virtual.port import Options, Port
from drivers.virtual.timeline import LiveClock, Timeline
from drivers.virtual.traffic import parse_rate
from drivers.virtual.update import ImageUpdate

LONGEST_TIME_MS = 600_000

_SEPARATORS = str.maketrans("", "", ":-. \t")
_NEURON_ID_DIGITS = 12
_LATE_MS = "late_ms"
_FAULTS = tuple(entry.name for entry in fields(Faults))
_BUS_FAULTS = tuple(entry.name for entry in fields(BusFaults) if entry.name != _LATE_MS)

Answer = dict[str, Any]
_AnyPort = TypeVar("_AnyPort", bound="Port | ModbusPort")


class CommandError(Exception):
    """A command that cannot be carried out; says why and what is possible."""


class Field:
    """Everything that is simulated. Make it inside a running event loop."""

    def __init__(self, options: Options) -> None:
        timeline = Timeline()
        self._clock = LiveClock(timeline, asyncio.get_running_loop())
        building = Building(options.seed, options.mixed, sum(options.lon), options.kind)
        self.ports = [Port(number, options, building, self._clock) for number in range(len(options.lon))]
        self.buses = [
            ModbusPort(number, options.directory, options.seed, bus, self._clock)
            for number, bus in enumerate(options.modbus)
        ]
        self._all_ports: list[Port | ModbusPort] = [*self.ports, *self.buses]
        self._devices = {device.neuron_id: device for port in self.ports for device in port.devices}

    def open(self) -> None:
        """Make the serial ports appear."""
        for port in self._all_ports:
            port.plug()

    def close(self) -> None:
        """Make the serial ports disappear and time stand still."""
        for port in self._all_ports:
            port.unplug()
        self._clock.stop()

    def announce(self) -> list[Answer]:
        """Describe the ports for whoever started the field."""
        return [*(port.announce() for port in self.ports), *(bus.announce() for bus in self.buses)]

    def execute(self, line: str) -> Answer:
        """Carry out one command line; the answer says whether it worked."""
        self._clock.catch_up()
        words = line.split(maxsplit=1)
        try:
            answer = _command(words[0] if words else "")(self, words[1].strip() if len(words) > 1 else "")
        except CommandError as error:
            return {"ok": False, "error": str(error)}
        finally:
            self._clock.catch_up()
        return {"ok": True, **answer}

    # -- commands ----------------------------------------------------------------------------------------

    def _press(self, argument: str) -> Answer:
        device = self._device(argument)
        if not device.powered:
            name = _text(device)
            raise CommandError(f"{name} is powered off, so its service pin does nothing; power-on {name} first")
        device.press_service_pin()
        return {"uid": _text(device)}

    def _reset(self, argument: str) -> Answer:
        device = self._device(argument)
        if not device.powered:
            name = _text(device)
            raise CommandError(f"{name} is powered off, so its reset button does nothing; power-on {name} first")
        device.press_reset_button()
        return {"uid": _text(device)}

    def _power_off(self, argument: str) -> Answer:
        if _names_unit(argument):
            bus, unit = self._unit(argument)
            unit.power_off()
            return {"port": bus.name, "unit": unit.number, "powered": unit.powered}
        device = self._device(argument)
        device.power_off()
        return {"uid": _text(device), "powered": device.powered}

    def _power_on(self, argument: str) -> Answer:
        if _names_unit(argument):
            bus, unit = self._unit(argument)
            unit.power_on()
            return {"port": bus.name, "unit": unit.number, "powered": unit.powered}
        device = self._device(argument)
        device.power_on()
        return {"uid": _text(device), "powered": device.powered}

    def _slow(self, argument: str) -> Answer:
        name, _, text = argument.partition(" ")
        bus, unit = self._unit(name)
        if text:
            unit.processing = _milliseconds("slow", text.strip()) / 1000
        return {"port": bus.name, "unit": unit.number, "answers_after_ms": round(unit.processing * 1000, 3)}

    def _second_master(self, argument: str) -> Answer:
        name, _, state = argument.partition(" ")
        bus = self._bus(name)
        if state.strip() not in {"", "on", "off"}:
            raise CommandError(f"{state.strip()!r} is neither on nor off")
        if state:
            bus.second_master.on = state.strip() == "on"
        return {"port": bus.name, "second_master": bus.second_master.on}

    def _unplug(self, argument: str) -> Answer:
        port = self._any_port(argument)
        if not port.plugged:
            raise CommandError(f"{port.name} is already unplugged; plug {port.name} brings it back")
        port.unplug()
        return {"port": port.name, "plugged": port.plugged}

    def _plug(self, argument: str) -> Answer:
        port = self._any_port(argument)
        if port.plugged:
            raise CommandError(f"{port.name} is already plugged in; unplug {port.name} takes it away")
        try:
            port.plug()
        except OSError as error:
            raise CommandError(f"{port.path} cannot be made: {error.strerror}") from error
        return {"port": port.name, "plugged": port.plugged, "path": str(port.path)}

    def _set_faults(self, argument: str) -> Answer:
        name, _, words = argument.partition(" ")
        if any(bus.name == name for bus in self.buses):
            bus = self._bus(name).bus
            if words:
                bus.faults = BusFaults(**dict(_bus_fault(word) for word in words.split()))
            return {"port": name, "faults": asdict(bus.faults)}
        if not self.ports:
            raise CommandError(f"no LON port in this field; name one of {_names(self.buses)} first")
        if argument:
            faults = Faults(**dict(_probability(word, _FAULTS) for word in argument.split()))
            for port in self.ports:
                port.channel.faults = faults
        return {"faults": asdict(self.ports[0].channel.faults)}

    def _set_updates(self, argument: str) -> Answer:
        name, _, rate = argument.partition(" ")
        port = self._port(name)
        if rate:
            try:
                port.traffic.rate = parse_rate(rate.strip())
            except ValueError as error:
                raise CommandError(str(error)) from error
        return {"port": port.name, "updates": port.traffic.rate}

    def _truth(self, argument: str) -> Answer:
        if argument:
            raise CommandError(f"truth takes no argument, but {argument!r} was given")
        usages = [port.channel.usage for port in self.ports]
        return {
            "devices": [_truth_about(device) for device in self._devices.values()],
            "channel": {
                "busy_s": round(sum(usage.busy_s for usage in usages), 6),
                "elapsed_s": round(self._clock.timeline.now, 6),
                "packets": sum(usage.packets for usage in usages),
            },
            "modbus": [bus.truth() for bus in self.buses],
        }

    def _device(self, text: str) -> Device:
        digits = text.lstrip("'’").translate(_SEPARATORS)
        try:
            neuron_id = bytes.fromhex(digits)
        except ValueError:
            neuron_id = b""
        if len(digits) != _NEURON_ID_DIGITS or not neuron_id:
            raise CommandError(f"{text!r} is no Neuron ID; give its 12 hexadecimal digits, such as 00D0715E0A01")
        if neuron_id not in self._devices:
            raise CommandError(f"no device {digits.upper()} in this field; truth lists all {len(self._devices)}")
        return self._devices[neuron_id]

    def _unit(self, text: str) -> tuple[ModbusPort, Unit]:
        """Find a unit by the number it has at present, or will have when it is back: 5@modbus0."""
        number, _, name = text.partition("@")
        bus = self._bus(name)
        for unit in bus.units:
            if str(unit.number) == number:
                return bus, unit
        known = ", ".join(str(unit.number) for unit in bus.units)
        raise CommandError(f"no unit {number[:40]!r} on {bus.name}; there are {known}")

    def _port(self, name: str) -> Port:
        return _named(name, self.ports)

    def _bus(self, name: str) -> ModbusPort:
        return _named(name, self.buses)

    def _any_port(self, name: str) -> Port | ModbusPort:
        return _named(name, self._all_ports)


_COMMANDS: dict[str, Callable[[Field, str], Answer]] = {
    "press": Field._press,
    "reset": Field._reset,
    "power-off": Field._power_off,
    "power-on": Field._power_on,
    "unplug": Field._unplug,
    "plug": Field._plug,
    "faults": Field._set_faults,
    "updates": Field._set_updates,
    "slow": Field._slow,
    "second-master": Field._second_master,
    "truth": Field._truth,
}


def _command(name: str) -> Callable[[Field, str], Answer]:
    if name not in _COMMANDS:
        raise CommandError(f"unknown command {name[:40]!r}; there are {', '.join(_COMMANDS)}")
    return _COMMANDS[name]


def _names(ports: Sequence[Port | ModbusPort]) -> str:
    return ", ".join(port.name for port in ports) or "none"


def _named(name: str, ports: Sequence[_AnyPort]) -> _AnyPort:
    for port in ports:
        if port.name == name:
            return port
    raise CommandError(f"no port {name!r}; there are {_names(ports)}")


def _names_unit(argument: str) -> bool:
    return "@" in argument


def _milliseconds(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LONGEST_TIME_MS:
        raise CommandError(f"{name}: {text!r} is no time; give milliseconds from 0 to {LONGEST_TIME_MS}")
    return value


def _bus_fault(word: str) -> tuple[str, float]:
    name, _, text = word.partition("=")
    return (name, _milliseconds(name, text)) if name == _LATE_MS else _probability(word, _BUS_FAULTS)


def _probability(word: str, faults: tuple[str, ...]) -> tuple[str, float]:
    name, _, text = word.partition("=")
    if name not in faults:
        raise CommandError(f"unknown fault {name!r}; there are {', '.join(faults)}, each as name=probability")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise CommandError(f"{name}={text} is no probability; give a number from 0 to 1, such as {name}=0.05")
    return name, value


def _truth_about(device: Device) -> Answer:
    node = device.node
    return {
        "uid": _text(device),
        "program_id": node.program_id.hex().upper(),
        "state": node.state_name.value,
        "domains": [
            {"id": domain.id.hex().upper(), "subnet": domain.subnet, "node": domain.node}
            for domain in node.domains
            if domain is not None
        ],
        "winks": node.winks,
        "powered": device.powered,
        "documentation": node.profile.documentation,
        "application_sha256": node.memory.loaded.digest(),
        "kind": node.profile.kind.value,
        "locked": node.locked,
        "update": None if device.update is None else _truth_about_update(device.update),
    }


def _truth_about_update(update: ImageUpdate) -> Answer:
    return {
        "image_md5": update.image_md5,
        "bank": update.bank.value,
        "received": update.received,
        "packets": update.packets,
    }


def _text(device: Device) -> str:
    return device.neuron_id.hex().upper()
