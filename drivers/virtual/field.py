"""The field: all ports on one timeline, the commands a person can give, and the truth about its devices."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from drivers.virtual.building import Building
from drivers.virtual.channel import Faults
from drivers.virtual.device import Device
from drivers.virtual.port import Options, Port
from drivers.virtual.timeline import LiveClock, Timeline
from drivers.virtual.traffic import parse_rate
from drivers.virtual.update import ImageUpdate

_SEPARATORS = str.maketrans("", "", ":-. \t")
_NEURON_ID_DIGITS = 12
_FAULTS = tuple(entry.name for entry in fields(Faults))

Answer = dict[str, Any]


class CommandError(Exception):
    """A command that cannot be carried out; says why and what is possible."""


class Field:
    """Everything that is simulated. Make it inside a running event loop."""

    def __init__(self, options: Options) -> None:
        timeline = Timeline()
        self._clock = LiveClock(timeline, asyncio.get_running_loop())
        building = Building(options.seed, options.mixed, sum(options.lon), options.kind)
        self.ports = [Port(number, options, building, self._clock) for number in range(len(options.lon))]
        self._devices = {device.neuron_id: device for port in self.ports for device in port.devices}

    def open(self) -> None:
        """Make the serial ports appear."""
        for port in self.ports:
            port.plug()

    def close(self) -> None:
        """Make the serial ports disappear and time stand still."""
        for port in self.ports:
            port.unplug()
        self._clock.stop()

    def announce(self) -> list[Answer]:
        """Describe the ports for whoever started the field."""
        return [
            {
                "port": port.name,
                "path": str(port.path),
                "url": f"lon://{port.path}",
                "devices": len(port.devices),
            }
            for port in self.ports
        ]

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
        device = self._device(argument)
        device.power_off()
        return {"uid": _text(device), "powered": device.powered}

    def _power_on(self, argument: str) -> Answer:
        device = self._device(argument)
        device.power_on()
        return {"uid": _text(device), "powered": device.powered}

    def _unplug(self, argument: str) -> Answer:
        port = self._port(argument)
        if not port.plugged:
            raise CommandError(f"{port.name} is already unplugged; plug {port.name} brings it back")
        port.unplug()
        return {"port": port.name, "plugged": port.plugged}

    def _plug(self, argument: str) -> Answer:
        port = self._port(argument)
        if port.plugged:
            raise CommandError(f"{port.name} is already plugged in; unplug {port.name} takes it away")
        try:
            port.plug()
        except OSError as error:
            raise CommandError(f"{port.path} cannot be made: {error.strerror}") from error
        return {"port": port.name, "plugged": port.plugged, "path": str(port.path)}

    def _set_faults(self, argument: str) -> Answer:
        if argument:
            faults = Faults(**dict(_probability(word) for word in argument.split()))
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

    def _port(self, name: str) -> Port:
        for port in self.ports:
            if port.name == name:
                return port
        known = ", ".join(port.name for port in self.ports)
        raise CommandError(f"no port {name!r}; there are {known}")


_COMMANDS: dict[str, Callable[[Field, str], Answer]] = {
    "press": Field._press,
    "reset": Field._reset,
    "power-off": Field._power_off,
    "power-on": Field._power_on,
    "unplug": Field._unplug,
    "plug": Field._plug,
    "faults": Field._set_faults,
    "updates": Field._set_updates,
    "truth": Field._truth,
}


def _command(name: str) -> Callable[[Field, str], Answer]:
    if name not in _COMMANDS:
        raise CommandError(f"unknown command {name[:40]!r}; there are {', '.join(_COMMANDS)}")
    return _COMMANDS[name]


def _probability(word: str) -> tuple[str, float]:
    name, _, text = word.partition("=")
    if name not in _FAULTS:
        raise CommandError(f"unknown fault {name!r}; there are {', '.join(_FAULTS)}, each as name=probability")
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
