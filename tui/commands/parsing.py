"""How commands are declared: a thin layer over argparse that gives each the common options."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tui.commands.session import Command


class Commands:
    """A level of subcommands."""

    def __init__(self, subparsers: Any, common: argparse.ArgumentParser) -> None:
        self._subparsers = subparsers
        self._common = common

    def add(self, name: str, command: Command, text: str) -> argparse.ArgumentParser:
        """A command; the result takes its arguments."""
        parser: argparse.ArgumentParser = self._subparsers.add_parser(
            name, help=text, description=text, parents=[self._common]
        )
        parser.set_defaults(command=command)
        return parser

    def group(self, name: str, text: str, command: Command | None = None) -> Commands:
        """A command with subcommands; with `command` it can also stand alone."""
        parser = self._subparsers.add_parser(name, help=text, description=text, parents=[self._common])
        if command is not None:
            parser.set_defaults(command=command)
        level = parser.add_subparsers(metavar="COMMAND", required=command is None)
        return Commands(level, self._common)
