"""What an import would do: how many rows, what is wrong in which line, and the seats it takes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from textual import on
from textual.containers import VerticalScroll
from textual.widget import Widget

from core.rpc import ImportReport
from tui.bindings import COMMANDS, Place, bindings
from tui.screens.dialog import Dialog
from tui.text import clean, fit, plural, wrap
from tui.theme import Token
from tui.widgets.block import Block, Line
from tui.widgets.choices import Choices

LINE_WIDTH = 10
COLUMN_WIDTH = 16


class ImportChoice(StrEnum):
    """What shall be done."""

    IMPORT = "import"
    PROVISION = "provision"


class ReportBlock(Block):
    """The report in words."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__()
        self._report = report

    def lines(self, width: int) -> Sequence[Line]:
        """Counts, then every problem."""
        report = self._report
        lines: list[Line] = [
            (),
            ((plural(report.rows, "row"), Token.STRONG), (f": {plural(len(report.added), 'new device')}", Token.TEXT)),
        ]
        if report.known:
            lines.append(((f"{plural(len(report.known), 'device')} known already, left as they are", Token.MUTED),))
        if report.groups:
            names = ", ".join(clean(name) for name in report.groups)
            made = f"{plural(len(report.groups), 'group')} made for it: {names}"
            lines += [((text, Token.TEXT),) for text in wrap(made, width)]
        if report.seats_short:
            short = f"{plural(report.seats_short, 'license seat')} short: who has none waits for one"
            lines.append(((short, Token.WARNING),))
        lines.append(())
        if report.problems:
            count = plural(len(report.problems), "problem")
            lines += [((f"Nothing is imported: {count} in the file.", Token.BAD),), ()]
        for problem in report.problems:
            head = fit(f"line {problem.line}", LINE_WIDTH)
            column = fit(clean(problem.column)[: COLUMN_WIDTH - 1], COLUMN_WIDTH)
            for place, text in enumerate(wrap(clean(problem.reason), width - LINE_WIDTH - COLUMN_WIDTH)):
                first = [(head, Token.KEY), (column, Token.MUTED)] if not place else []
                indent = [] if not place else [(" " * (LINE_WIDTH + COLUMN_WIDTH), Token.TEXT)]
                lines.append([*first, *indent, (text, Token.TEXT)])
        return [*lines, ()] if report.problems else lines


class ImportDialog(Dialog[ImportChoice]):
    """Returns what shall be done; with problems there is nothing but to close it."""

    PLACE = Place.IMPORT
    BINDINGS = bindings(*COMMANDS[Place.IMPORT])

    def __init__(self, name: str, report: ImportReport) -> None:
        super().__init__(f"Import {name}")
        self._report = report
        count = len(report.added)
        buttons = [("cancel", "Close" if report.problems or not count else "Cancel")]
        if count and not report.problems:
            buttons.append((ImportChoice.IMPORT.value, f"Import {count:,}"))
            buttons.append((ImportChoice.PROVISION.value, f"Import and provision {count:,}"))
        self._choices = Choices(*buttons)

    def body(self) -> Sequence[Widget]:
        """The report, then the buttons."""
        return VerticalScroll(ReportBlock(self._report), can_focus=False), self._choices

    def first(self) -> Widget:
        """The buttons."""
        return self._choices

    @on(Choices.Pressed)
    def _pressed(self, event: Choices.Pressed) -> None:
        self.dismiss(None if event.choice == "cancel" else ImportChoice(event.choice))

    def action_scroll(self, rows: int) -> None:
        """Through the problems."""
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)
