"""`fieldhand field`: simulated devices on pseudo-terminals, with real timing and faults on demand."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import NoReturn

from drivers.virtual.channel import RATES
from drivers.virtual.console import LineReader, LineWriter
from drivers.virtual.device import Timing
from drivers.virtual.field import Field
from drivers.virtual.interface import Family
from drivers.virtual.node import DeviceKind
from drivers.virtual.port import Options
from drivers.virtual.traffic import parse_rate

PROGRAM = "fieldhand field"
MOST_DEVICES = 10_000
MOST_PORTS = 64
LONGEST_TIME_MS = 600_000

_DESCRIPTION = "Simulate field devices on pseudo-terminals. Describes each port in one JSON line when it is ready."
_COMMANDS = """\
commands on standard input, each answered with one JSON line:
  press UID                  press a service pin
  reset UID                  press a reset button; a module can be commissioned once after it
  power-off UID, power-on UID
  unplug lon0, plug lon0     pull or put in the serial port
  faults loss=0.05 corrupt=0.01 duplicate=0.01
                             probabilities per packet; unnamed ones become 0; without any: show
  updates lon0 50            network variable updates per second on a channel; without a number: show
  truth                      what is really in the devices
"""


def main(argv: list[str] | None = None) -> int:
    """Run the field until a signal, or until the end of standard input if so asked."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
        if len(arguments.lon) > MOST_PORTS:
            parser.error(f"argument --lon: at most {MOST_PORTS} channels, {len(arguments.lon)} were given")
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
    parser.add_argument("--directory", type=Path, required=True, help="where the ports lon0, lon1, … appear")
    parser.add_argument(
        "--lon",
        type=_Whole(1, MOST_DEVICES),
        action="append",
        required=True,
        metavar="DEVICES",
        help="a LON channel with so many devices; repeat for more channels",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same devices (default 1)")
    parser.add_argument("--rate", choices=sorted(RATES), default="ft10", help="packet times (default ft10)")
    parser.add_argument(
        "--write-ms", type=_Whole(0, LONGEST_TIME_MS), default=20, help="time of a non-volatile write (20)"
    )
    parser.add_argument("--reset-ms", type=_Whole(0, LONGEST_TIME_MS), default=600, help="time a reset takes (600)")
    parser.add_argument(
        "--interface",
        choices=[family.value for family in Family],
        default=Family.U50.value,
        help="serial protocol of the network interface (default u50)",
    )
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument(
        "--kind",
        choices=[kind.value for kind in DeviceKind],
        default=DeviceKind.PLAIN.value,
        help="what all devices are: plain (default), speaking image update, or modules with a button to press first",
    )
    devices.add_argument("--mix", action="store_true", help="a plausible building instead of identical devices")
    parser.add_argument(
        "--updates",
        type=_rate,
        default=0.0,
        metavar="RATE",
        help="network variable updates per second on each channel, from its configured devices (default 0)",
    )
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
    return Options(
        directory=arguments.directory,
        lon=tuple(arguments.lon),
        seed=arguments.seed,
        rate=arguments.rate,
        timing=Timing(arguments.write_ms / 1000, arguments.reset_ms / 1000),
        family=Family(arguments.interface),
        kind=DeviceKind(arguments.kind),
        mixed=arguments.mix,
        updates=arguments.updates,
    )


if __name__ == "__main__":
    sys.exit(main())
