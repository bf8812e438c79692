"""`fieldhand field`: simulated devices on pseudo-terminals, with real timing and faults on demand."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import NoReturn

from drivers.virtual.channel import RATES, UNPACED
from drivers.virtual.console import LineReader, LineWriter
from drivers.virtual.device import Timing
from drivers.virtual.field import LONGEST_TIME_MS, Field
from drivers.virtual.interface import Family
from drivers.virtual.modbus_frames import BAUD_RATES, LAST_UNIT, STANDARD_LINE, Line, Parity
from drivers.virtual.modbus_port import BusOptions
from drivers.virtual.modbus_unit import UnitKind
from drivers.virtual.node import DeviceKind
from drivers.virtual.port import Options
from drivers.virtual.traffic import parse_rate

PROGRAM = "fieldhand field"
MOST_DEVICES = 10_000
MOST_PORTS = 64

_DESCRIPTION = "Simulate field devices on pseudo-terminals. Describes each port in one JSON line when it is ready."
_COMMANDS = """\
commands on standard input, each answered with one JSON line:
  press UID                  press a service pin
  reset UID                  press a reset button; a module can be commissioned once after it
  power-off UID, power-on UID
  power-off 5@modbus0, power-on 5@modbus0
                             the same for a unit on a Modbus port
  unplug lon0, plug modbus0  pull or put in the serial port
  faults loss=0.05 corrupt=0.01 duplicate=0.01
                             probabilities per packet on all LON channels; unnamed ones become 0; without any: show
  faults modbus0 drop=0.05 corrupt=0.01 late=0.1 late_ms=400 garbage=0.02 duplicate=0.01
                             probabilities per frame on a Modbus port; late, garbage (noise before it) and duplicate
                             befall answers; without any: show
  slow 5@modbus0 300         milliseconds a unit takes to answer; without a number: show
  second-master modbus0 on   another master reads on the same bus; off ends it; without either: show
  updates lon0 50            network variable updates per second on a channel; without a number: show
  truth                      what is really in the devices
"""


def main(argv: list[str] | None = None) -> int:
    """Run the field until a signal, or until the end of standard input if so asked."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
        for kind in ("lon", "modbus"):
            if len(getattr(arguments, kind)) > MOST_PORTS:
                parser.error(f"argument --{kind}: at most {MOST_PORTS}, {len(getattr(arguments, kind))} were given")
        if not arguments.lon and not arguments.modbus:
            parser.error("nothing to simulate: give --lon DEVICES or --modbus UNITS")
    except SystemExit as error:  # argparse has said why
        return int(error.code or 0)
    directory: Path = arguments.directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_run(_options(arguments), arguments.until_eof))
    except OSError as error:
        reason = error.strerror or str(error)
        sys.stderr.write(f"{PROGRAM}: cannot make ports in {directory}: {reason}\n")
        return 2


async def _run(options: Options, until_eof: bool) -> int:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    field = Field(options)
    writer = LineWriter()

    def take(line: str | None) -> None:
        if line is None:
            if until_eof:
                stopped.set()
        elif line.strip() and not stopped.is_set():
            writer.write(json.dumps(field.execute(line), ensure_ascii=False))

    try:
        field.open()
        for port in field.announce():
            writer.write(json.dumps(port, ensure_ascii=False))
        LineReader(loop, take)
        await stopped.wait()
    finally:
        field.close()
        writer.close()
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_COMMANDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--directory", type=Path, required=True, help="where the ports lon0, modbus0, … appear")
    parser.add_argument(
        "--lon",
        type=_Whole(1, MOST_DEVICES),
        action="append",
        default=[],
        metavar="DEVICES",
        help="a LON channel with so many devices; repeat for more channels",
    )
    parser.add_argument(
        "--modbus",
        type=_Whole(1, LAST_UNIT),
        action="append",
        default=[],
        metavar="UNITS",
        help="a Modbus RTU bus with so many units, of all kinds mixed; repeat for more buses",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same devices (default 1)")
    parser.add_argument(
        "--rate", choices=sorted(RATES), default="ft10", help="ft10 (default): real times on all channels and buses"
    )
    parser.add_argument(
        "--write-ms", type=_Whole(0, LONGEST_TIME_MS), default=20, help="time of a non-volatile write (20)"
    )
    parser.add_argument("--reset-ms", type=_Whole(0, LONGEST_TIME_MS), default=600, help="time a reset takes (600)")
    parser.add_argument(
        "--interface",
        choices=[family.value for family in Family],
        default=Family.U50.value,
        help="serial protocol of the LON network interfaces (default u50)",
    )
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument(
        "--kind",
        choices=[kind.value for kind in DeviceKind],
        default=DeviceKind.PLAIN.value,
        help="what LON devices are: plain (default), speaking image update, or modules with a button to press first",
    )
    devices.add_argument("--mix", action="store_true", help="a plausible building instead of identical devices")
    parser.add_argument(
        "--updates",
        type=_rate,
        default=0.0,
        metavar="RATE",
        help="network variable updates per second on each channel, from its configured devices (default 0)",
    )
    parser.add_argument(
        "--baud",
        type=int,
        choices=BAUD_RATES,
        default=STANDARD_LINE.baud,
        help=f"of the Modbus buses (default {STANDARD_LINE.baud})",
    )
    parser.add_argument(
        "--parity",
        choices=[parity.value for parity in Parity],
        default=STANDARD_LINE.parity.value,
        help="of the Modbus buses: even (default), none or odd; one stop bit",
    )
    parser.add_argument("--echo", action="store_true", help="a Modbus port hears what it says itself")
    parser.add_argument(
        "--unit-kind", choices=[kind.value for kind in UnitKind], help="what all Modbus units are, instead of all kinds"
    )
    parser.add_argument("--spread", action="store_true", help="unit numbers all over the range instead of from 1 on")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    return parser


class _Whole:
    """An argument that is a whole number within bounds."""

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most

    def __call__(self, text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = self._least - 1
        if not self._least <= value <= self._most:
            message = f"{text!r} is not a whole number from {self._least} to {self._most}"
            raise argparse.ArgumentTypeError(message)
        return value


def _rate(text: str) -> float:
    try:
        return parse_rate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _options(arguments: argparse.Namespace) -> Options:
    timing = Timing(arguments.write_ms / 1000, arguments.reset_ms / 1000)
    line = Line(arguments.baud, Parity(arguments.parity), arguments.echo, paced=arguments.rate != UNPACED)
    kind = UnitKind(arguments.unit_kind) if arguments.unit_kind else None
    return Options(
        directory=arguments.directory,
        lon=tuple(arguments.lon),
        seed=arguments.seed,
        rate=arguments.rate,
        timing=timing,
        family=Family(arguments.interface),
        kind=DeviceKind(arguments.kind),
        mixed=arguments.mix,
        updates=arguments.updates,
        modbus=tuple(BusOptions(units, line, kind, arguments.spread, timing) for units in arguments.modbus),
    )


if __name__ == "__main__":
    sys.exit(main())
