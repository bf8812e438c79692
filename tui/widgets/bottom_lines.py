"""The last two lines of every screen: what was said or is running, and what the keys do now."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.actions import BY_NAME
from core.models import Job, JobState, TaskState
from tui.bindings import CANCEL_START
from tui.model.site import seconds_left
from tui.text import clean, cut_end, duration
from tui.theme import JOB_TOKENS, Appearance, Glyphs, Token
from tui.widgets.block import Line, OneLine, Piece, spread, width_of_line

BAR_WIDTH = 21


def bar(job: Job, width: int, appearance: Appearance) -> list[Piece]:
    """How far a job is; the bar is full only when all is done, and quiet when the job has ended."""
    running = job.state is JobState.RUNNING
    filled = int(job.progress * width)
    return [
        (appearance.glyphs.full * filled, Token.ACCENT if running else Token.FAINT),
        (appearance.glyphs.empty * (width - filled), Token.FAINT),
    ]


def job_name(job: Job) -> str:
    """The job in a few words: "Provision 31 on group roof"."""
    action = BY_NAME.get(job.action)
    where = f" on {clean(job.subject)}" if job.subject else ""
    return f"{action.label if action else clean(job.title)} {job.total}{where}"


def job_state(job: Job, now: float, glyphs: Glyphs) -> Piece:
    """Where a job stands: what has ended with failures is not simply done."""
    if job.state is JobState.DONE and job.failed:
        return f"{glyphs.task[TaskState.FAILED]} {'partly' if job.done else 'failed'}", Token.BAD
    word = job.state.value
    if job.waits(now):
        word = "waiting"
    elif job.cancelling and not job.finished_at:
        word = "stopping"
    return f"{glyphs.job[job.state]} {word}", JOB_TOKENS[job.state]


class MessageLine(OneLine):
    """A job about to begin, else what was said, until the next key, else the job that runs, else a word on the row."""

    hint = ""
    with_job = True
    """False where the job is on the screen anyway."""

    def on_mount(self) -> None:
        """Follow the site."""
        self.app.line_changed.subscribe(self, lambda _: self.update())
        self.app.store_changed.subscribe(self, lambda _: self.update())
        self.set_interval(1.0, self.update)

    def line(self, width: int) -> Line:
        """The one or the other."""
        waiting = self.app.site.waiting(self.app.clock.now())
        if waiting is not None:
            return self._countdown(waiting)
        message = self.app.site.message
        if message is not None:
            glyphs = self.app.appearance.glyphs
            mark = f" {glyphs.no_link} " if message.bad else "   "
            text = cut_end(clean(message.text), width - 4, glyphs.ellipsis)
            return [(mark + text, Token.BAD if message.bad else Token.STRONG)]
        running = self.app.site.running
        if running and self.with_job:
            return self._job(running, width)
        return ((cut_end(f"   {self.hint}", width, self.app.appearance.glyphs.ellipsis), Token.MUTED),)

    def _countdown(self, job: Job) -> Line:
        left = math.ceil(job.not_before - self.app.clock.now())
        line: list[Piece] = [(f" {job_name(job)}", Token.STRONG), (f" starts in {left} s", Token.WARNING)]
        if job.id in self.app.site.started:
            return [*line, (", ", Token.MUTED), (CANCEL_START.shown, Token.KEY), (" cancels", Token.MUTED)]
        return [*line, (f", started by {clean(job.operator)}", Token.MUTED)]

    def _job(self, running: Sequence[Job], width: int) -> Line:
        job = running[0]
        left: list[Piece] = [(f" {job_name(job)}", Token.STRONG), ("   ", Token.TEXT)]
        left += bar(job, BAR_WIDTH, self.app.appearance)
        left.append((f"   {job.ended:>{len(str(job.total))}}/{job.total}", Token.TEXT))
        if job.failed:
            left.append((f"   {job.failed} failed", Token.BAD))
        seconds = seconds_left(job, self.app.clock.now())
        if job.cancelling:
            left.append(("   stopping", Token.WARNING))
        elif seconds is not None:
            left.append((f"   {duration(seconds)} left", Token.MUTED))
        if len(running) > 1:
            left.append((f"   and {len(running) - 1} more", Token.MUTED))
        return spread(left, self.app.hint("{job} job "), width)


class KeyLine(OneLine):
    """The keys that work now, as many as fit; help is always there."""

    keys: Sequence[tuple[str, str]] = ()

    def show(self, keys: Sequence[tuple[str, str]]) -> None:
        """These keys, most useful first; the last stays whatever the width."""
        if keys != self.keys:
            self.keys = keys
            self.update()

    def line(self, width: int) -> Line:
        """Key and word, key and word."""
        if not self.keys:
            return ()
        *rest, last = ([(key, Token.KEY), (f" {word}", Token.MUTED)] for key, word in self.keys)
        line: list[Piece] = [(" ", Token.TEXT)]
        for item in rest:
            if width_of_line(line) + width_of_line(item) + width_of_line(last) + 4 <= width:
                line += [*item, ("  ", Token.TEXT)]
        return [*line, *last]
