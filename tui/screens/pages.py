"""Pages of text: help for where the operator is, and what was said so far."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import VerticalScroll
from textual.widget import Widget

from core.lifecycle import Status
from tui.bindings import MOVES, Place, bindings, pages
from tui.screens.screen import PushedScreen
from tui.text import age, clean, fit, width_of, wrap
from tui.theme import STATUS_TOKENS, Token
from tui.widgets.block import Block, Line

MEANINGS = {
    Status.OK: "provisioned, answers, reports no fault",
    Status.MARGINAL: "answers, but reports a fault",
    Status.SUSPECT: "does not answer now",
    Status.DOWN: "has not answered for long",
    Status.UNPROVISIONED: "not in service yet",
    Status.ELSEWHERE: "provisioned, but not by this site",
    Status.UNLICENSED: "holds no license seat",
    Status.QUEUED: "waits for its turn in a job",
    Status.RUNNING: "a job works on it",
    Status.FAILED: "the last action failed; until looked at or retried",
    Status.NO_APPLICATION: "holds no program",
}


class Page(PushedScreen):
    """A text to scroll through."""

    BINDINGS = bindings(*MOVES)

    def __init__(self) -> None:
        super().__init__()
        self._scroll = VerticalScroll(can_focus=False)

    def text(self) -> Block:
        """What there is to read."""
        raise NotImplementedError

    def body(self) -> Sequence[Widget]:
        """One text, scrolled."""
        self._scroll = VerticalScroll(self.text(), can_focus=False)
        return (self._scroll,)

    def action_move(self, rows: int) -> None:
        """Scroll by lines."""
        self._scroll.scroll_relative(y=rows, animate=False)

    def action_page(self, direction: int) -> None:
        """Scroll by pages."""
        self._scroll.scroll_relative(y=direction * (self._scroll.size.height - 1), animate=False)

    def action_half(self, direction: int) -> None:
        """Scroll by half pages."""
        self._scroll.scroll_relative(y=direction * (self._scroll.size.height // 2), animate=False)

    def action_first(self) -> None:
        """To the top."""
        self._scroll.scroll_home(animate=False)

    def action_last(self) -> None:
        """To the end."""
        self._scroll.scroll_end(animate=False)


class HelpBlock(Block):
    """Keys, then what the statuses mean."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def lines(self, width: int) -> Sequence[Line]:
        """Chapter by chapter."""
        said = [(title, self.app.commands(commands)) for title, commands in pages(self._place)]
        chapters = [(title, commands) for title, commands in said if commands]
        keys = max(width_of(command.shown) for _, commands in chapters for command in commands) + 3
        lines: list[Line] = []
        for title, commands in chapters:
            lines += [((f" {title}", Token.STRONG),)]
            for command in commands:
                for place, text in enumerate(wrap(command.help, width - keys - 4)):
                    shown = fit(command.shown if not place else "", keys)
                    lines.append(((f"   {shown}", Token.KEY), (text, Token.TEXT)))
            lines.append(())
        lines.append(((" Statuses", Token.STRONG),))
        for status, meaning in MEANINGS.items():
            word = f"   {self.app.appearance.glyphs.status[status]} {status.value}"
            lines.append(((fit(word, keys + 3), STATUS_TOKENS[status]), (meaning, Token.TEXT)))
        return lines


class HelpPage(Page):
    """Help for a place."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._of = place

    def text(self) -> Block:
        """Its keys."""
        return HelpBlock(self._of)

    def place(self) -> Place:
        """Help on help is help for where one came from."""
        return self._of


class MessagesBlock(Block):
    """What was said, newest first."""

    def lines(self, width: int) -> Sequence[Line]:
        """How long ago, and the sentence."""
        said = self.app.site.said
        if not said:
            return [((" Nothing was said yet.", Token.MUTED),)]
        now = self.app.clock.now()
        lines: list[Line] = [((" Messages, newest first", Token.STRONG),), ()]
        for message in reversed(said):
            token = Token.BAD if message.bad else Token.TEXT
            for place, text in enumerate(wrap(clean(message.text), width - 10)):
                when = age(now - message.at) if not place else ""
                lines.append(((f" {fit(when, 5, right=True)}  ", Token.MUTED), (text, token)))
        return lines


class MessagesPage(Page):
    """The history of the message line."""

    def text(self) -> Block:
        """All of it."""
        return MessagesBlock()
