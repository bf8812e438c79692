"""The first line of every screen: the state of the site. It never moves."""

from __future__ import annotations

from tui.model.site import Link
from tui.text import clean, cut_middle, plural
from tui.theme import Token
from tui.widgets.block import Line, OneLine, Piece, spread, width_of_line

NAME_WIDTH = 24


class TopLine(OneLine):
    """Site, worker, ports, seats, jobs."""

    def on_mount(self) -> None:
        """Follow the site."""
        self.app.line_changed.subscribe(self, lambda _: self.update())
        self.app.store_changed.subscribe(self, lambda _: self.update())

    def line(self, width: int) -> Line:
        """Name on the left, facts after it, the operator on the right where there is room."""
        glyphs = self.app.appearance.glyphs
        name = cut_middle(clean(self.app.site.name or "fieldhand"), NAME_WIDTH, glyphs.ellipsis)
        line: list[Piece] = [(f" {name}", Token.STRONG), ("   ", Token.TEXT), *self._worker()]
        if self.app.read_only:
            line += [("  ", Token.TEXT), ("read-only", Token.WARNING)]
        for fact in self._facts():
            if width_of_line(line) + 2 + len(fact[0]) <= width:
                line += [("  ", Token.TEXT), fact]
        operator = clean(self.app.client.greeting.operator) if self.app.client else ""
        return spread(line, [(operator + " ", Token.MUTED)], width)

    def _worker(self) -> list[Piece]:
        glyphs, site = self.app.appearance.glyphs, self.app.site
        if site.link is Link.UP:
            return [(glyphs.link, Token.GOOD), (" worker", Token.TEXT)]
        if site.link is Link.STARTING:
            return [(glyphs.empty, Token.MUTED), (" opening", Token.MUTED)]
        return [(f"{glyphs.no_link} no worker", Token.BAD)]

    def _facts(self) -> list[Piece]:
        site = self.app.site
        summary = site.summary
        if summary is None:
            return []
        rate = site.events_per_second
        events = [] if rate is None else [(f"{rate:.1f} ev/s", Token.TEXT)]
        if site.paused_ports:
            events.append((f"{site.paused_ports} paused", Token.WARNING))
        ports_token = Token.TEXT if summary.ports_open == summary.ports else Token.WARNING
        seats_token = Token.WARNING if summary.seats.waiting else Token.TEXT
        return [
            (f"{summary.ports_open}/{summary.ports} ports", ports_token),
            (f"seats {summary.seats.used}/{summary.seats.capacity}", seats_token),
            *events,
            (plural(summary.jobs_running, "job"), Token.ACCENT if summary.jobs_running else Token.MUTED),
        ]
