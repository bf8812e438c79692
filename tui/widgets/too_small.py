"""What is said instead of a screen where there is no room for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual.geometry import Size

from tui.bindings import INTERRUPT, key_name
from tui.text import wrap
from tui.theme import Token
from tui.widgets.block import Block, Line

LEAST: Final = Size(60, 15)
"""Below this the lists have no room for what tells devices apart, and dialogs none for their buttons."""


class TooSmall(Block):
    """Lies over everything else, which stays as it is, while the terminal is too small; see `FieldhandApp`."""

    def lines(self, width: int) -> Sequence[Line]:
        """How large it is, how large it has to be, and that nothing is lost."""
        size = self.app.size
        (leave,) = self.app.commands([INTERRUPT])
        sentences = (
            f"The terminal is {size.width}x{size.height}.",
            f"fieldhand needs {LEAST.width}x{LEAST.height} or more.",
            f"Nothing is lost, jobs go on. {key_name(leave.keys[0])} leaves.",
        )
        return [((line, Token.STRONG),) for sentence in sentences for line in wrap(sentence, width)]
