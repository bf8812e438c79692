"""`fieldhand`: the console without arguments, everything the console can do with them.

Each run loads what its command needs and no more: nothing here, nor in the commands, imports Textual, and what
only reads the store imports nothing of what talks to the worker.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Awaitable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

from core.errors import Exit, FieldhandError, Kind
from core.paths import VARIABLE, StateDirectory
from tui.commands.parsing import Commands
from tui.pace import settle

if TYPE_CHECKING:
    from tui.commands.session import Session

INTERRUPTED: Final = 130
"""What a shell expects of a program ended by Ctrl-C."""
SUBJECTS: Final = {
    "devices": {"devices", "device", "discover"},
    "groups": {"group"},
    "actions": set[str](),  # one command for each entry of the catalogue
    "images": {"image"},
    "jobs": {"jobs"},
    "licenses": {"license"},
    "interchange": {"import", "export", "history"},
    "types": {"type"},
    "monitoring": {"monitoring", "events"},
    "site": {"port", "site", "status", "worker"},
}
"""Which module of tui.commands brings which commands, so that a listing loads only what it needs."""
CONSOLE, DEMO, HELP, VERSION = "", "demo", "--help", "--version"
ALONE: Final = (CONSOLE, DEMO, VERSION)
"""What needs none of them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    common = _common()
    command = _command_of(given, common)
    if command == "field":
        _become_field(given[given.index("field") + 1 :])
    parsed = _parser(common, command).parse_args(given)
    try:
        _check_options(parsed)
        outcome = _run(parsed)
    except FieldhandError as error:
        sys.stderr.write(f"fieldhand: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    return int(outcome)


def _run(parsed: argparse.Namespace) -> Exit:
    import asyncio  # noqa: PLC0415 - as long to load as all that was loaded so far
    import inspect  # noqa: PLC0415

    from tui.commands.session import Session  # noqa: PLC0415

    session = Session(StateDirectory.find(getattr(parsed, "state", None)), getattr(parsed, "json", False))
    outcome: Exit | Awaitable[Exit] = parsed.command(parsed, session)
    return asyncio.run(_await(outcome)) if inspect.isawaitable(outcome) else outcome


def _common() -> argparse.ArgumentParser:
    """The options that every command has, before it or behind it."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--state",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help=f"the state directory (else ${VARIABLE}, else the platform's own)",
    )
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="answer in JSON")
    return common


def _command_of(given: list[str], common: argparse.ArgumentParser) -> str:
    """The first word that is no option, or the option that stands alone; "" for the console."""
    if given == [VERSION]:
        return VERSION
    first = argparse.ArgumentParser(add_help=False, parents=[common])
    first.add_argument("-h", HELP, action="store_true")
    _console_options(first, off=False, unset=None)
    first.add_argument("command", nargs="?", default=CONSOLE)
    found = first.parse_known_args(given)[0]
    return HELP if found.help and found.command == CONSOLE else str(found.command)


def _parser(common: argparse.ArgumentParser, command: str = HELP) -> argparse.ArgumentParser:
    """The parser for this command, or for all of them."""
    parser = argparse.ArgumentParser(
        prog="fieldhand",
        parents=[common],
        description="Provision and look after the field devices on the serial ports of this gateway. "
        "Without a command: the console.",
        epilog="exit codes: 0 all done, 1 some device failed, 2 usage, 3 refused, 4 no worker or port",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say which version this is")
    _console_options(parser, off=False, unset=None)
    parser.set_defaults(command=_console)
    commands = Commands(parser.add_subparsers(metavar="COMMAND"), common)
    demo = commands.add("demo", _demo, "the console on a virtual field, in a temporary state directory")
    _console_options(demo, off=argparse.SUPPRESS, unset=argparse.SUPPRESS)
    commands.add("field", _console, "simulate devices on pseudo-terminals ('fieldhand field --help' tells more)")
    wanted = [subject for subject, names in SUBJECTS.items() if command in names]
    for subject in wanted or (() if command in ALONE else SUBJECTS):
        import_module(f"tui.commands.{subject}").add(commands)
    return parser


def _console_options(parser: argparse.ArgumentParser, *, off: object, unset: object) -> None:
    """How the console is to be; before the command's name or behind it. `off`, `unset`: what is not given is."""
    parser.add_argument(
        "--plain", action="store_true", default=off, help="no screen: lines in, lines out, for screen readers"
    )
    parser.add_argument(
        "--read-only", action="store_true", default=off, help="a console from which nothing can be changed"
    )
    parser.add_argument(
        "--theme",
        metavar="NAME",
        default=unset,
        help="dark, light, high-contrast, colour-blind or ansi (else $FIELDHAND_THEME)",
    )
    parser.add_argument(
        "--repaints",
        metavar="N",
        default=unset,
        help="repaint at most so often a second, 1 to 60 (else $FIELDHAND_REPAINTS; 20 over SSH)",
    )


def _check_options(parsed: argparse.Namespace) -> None:
    """A promise that is not kept is refused: it is the console that is read-only, and the one with a screen."""
    if parsed.read_only and (parsed.plain or parsed.command not in (_console, _demo)):
        reason = "it is for the console with a screen"
        raise FieldhandError(Kind.INVALID, what="option", value="--read-only", reason=reason)


class _Version(argparse.Action):
    """Looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        sys.stdout.write(f"fieldhand {version('fieldhand')}\n")
        parser.exit()


async def _await(outcome: Awaitable[Exit]) -> Exit:
    return await outcome


async def _console(arguments: argparse.Namespace, session: Session) -> Exit:
    if arguments.plain:
        from tui.plain import plain  # noqa: PLC0415 - the way to Textual's messages

        return await plain(session.directory, main)
    settle(os.environ, arguments.repaints)
    gc.disable()  # what is made while modules are loaded stays: looking for garbage in it takes a sixth of the time
    from tui.start import console  # noqa: PLC0415 - the only way to Textual

    gc.freeze()
    gc.enable()
    return await console(session.directory, read_only=arguments.read_only, theme=arguments.theme)


async def _demo(arguments: argparse.Namespace, session: Session) -> Exit:
    settle(os.environ, arguments.repaints)
    from tui.demo import demo  # noqa: PLC0415 - the only way to Textual

    return await demo(read_only=arguments.read_only, theme=arguments.theme, run=main if arguments.plain else None)


def _become_field(arguments: list[str]) -> None:
    """The virtual field is a program of its own, which shares nothing with the console but the wire."""
    os.execv(sys.executable, [sys.executable, "-m", "drivers.virtual", *arguments])


if __name__ == "__main__":
    sys.exit(main())
