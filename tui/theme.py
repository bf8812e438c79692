"""The one place of colours and glyphs: design tokens, in full colour, in sixteen colours and in none.

Words carry the meaning, glyphs speed it up, colour confirms. Where there is no colour to trust, the
cursor row is reversed and what failed is bold.
"""

from __future__ import annotations

import codecs
import locale
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

from core.lifecycle import Status
from core.models import JobState, TaskState

THEME = "fieldhand"


class Token(StrEnum):
    """What a piece of text is, for the eye. The statuses follow in `STATUS_TOKENS`."""

    TEXT = "text"
    MUTED = "muted"
    FAINT = "faint"
    STRONG = "strong"
    HEAD = "head"
    ACCENT = "accent"
    KEY = "key"
    GOOD = "good"
    BAD = "bad"
    WARNING = "warning"
    MARK = "mark"
    MAGENTA = "magenta"
    BLUE = "blue"
    CYAN = "cyan"
    YELLOW_BOLD = "yellow bold"
    CHOSEN = "chosen"


class Depth(Enum):
    """How much colour there is."""

    FULL = "full"
    SIXTEEN = "sixteen"
    NONE = "none"


STATUS_TOKENS: Final[Mapping[Status, Token]] = {
    Status.UNLICENSED: Token.MAGENTA,
    Status.UNPROVISIONED: Token.BLUE,
    Status.ELSEWHERE: Token.CYAN,
    Status.QUEUED: Token.ACCENT,
    Status.RUNNING: Token.ACCENT,
    Status.FAILED: Token.BAD,
    Status.OK: Token.GOOD,
    Status.MARGINAL: Token.GOOD,
    Status.SUSPECT: Token.WARNING,
    Status.DOWN: Token.BAD,
    Status.NO_APPLICATION: Token.YELLOW_BOLD,
}

TASK_TOKENS: Final[Mapping[TaskState, Token]] = {
    TaskState.QUEUED: Token.ACCENT,
    TaskState.RUNNING: Token.ACCENT,
    TaskState.DONE: Token.GOOD,
    TaskState.FAILED: Token.BAD,
    TaskState.CANCELLED: Token.MUTED,
    TaskState.SKIPPED: Token.MUTED,
}

JOB_TOKENS: Final[Mapping[JobState, Token]] = {
    JobState.RUNNING: Token.ACCENT,
    JobState.DONE: Token.GOOD,
    JobState.CANCELLED: Token.MUTED,
}

_SURFACE = "#15181d"
_CURSOR = "#2b333f"
_COLOURS: Final[Mapping[Token, str]] = {
    Token.TEXT: "#d7dbe0",
    Token.MUTED: "#8f98a5",
    Token.FAINT: "#4a525e",
    Token.STRONG: "bold #f2f4f7",
    Token.HEAD: "#8f98a5",
    Token.ACCENT: "#f0a35e",
    Token.KEY: "#f0a35e",
    Token.GOOD: "#5fc27e",
    Token.BAD: "bold #ff6e67",
    Token.WARNING: "#e6cd57",
    Token.MARK: "bold #f0a35e",
    Token.MAGENTA: "#dd84d8",
    Token.BLUE: "#79b4ff",
    Token.CYAN: "#4ecad6",
    Token.YELLOW_BOLD: "bold #e6cd57",
    Token.CHOSEN: "bold #15181d on #f0a35e",
}
_SIXTEEN: Final[Mapping[Token, str]] = {
    Token.TEXT: "default",
    Token.MUTED: "default",
    Token.FAINT: "default",
    Token.STRONG: "bold",
    Token.HEAD: "underline",
    Token.ACCENT: "bold",
    Token.KEY: "bold",
    Token.GOOD: "green",
    Token.BAD: "bold red",
    Token.WARNING: "yellow",
    Token.MARK: "bold",
    Token.MAGENTA: "magenta",
    Token.BLUE: "bright_blue",
    Token.CYAN: "cyan",
    Token.YELLOW_BOLD: "bold yellow",
    Token.CHOSEN: "bold reverse",
}
_WITHOUT: Final[Mapping[Token, str]] = {
    Token.ACCENT: "bold",
    Token.STRONG: "bold",
    Token.HEAD: "underline",
    Token.KEY: "bold",
    Token.BAD: "bold",
    Token.MARK: "bold",
    Token.YELLOW_BOLD: "bold",
    Token.CHOSEN: "bold reverse",
}
_BOLD = frozenset({Token.STRONG, Token.BAD, Token.MARK, Token.KEY, Token.YELLOW_BOLD, Token.CHOSEN})


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The glyphs; each has a twin for terminals that know ASCII only."""

    status: Mapping[Status, str]
    task: Mapping[TaskState, str]
    job: Mapping[JobState, str]
    cursor: str
    check: str
    up: str
    down: str
    full: str
    empty: str
    link: str
    no_link: str
    pin: str
    rule: str
    fault: str
    ellipsis: str


_UNICODE: Final = Glyphs(
    status={
        Status.UNLICENSED: "◌",
        Status.UNPROVISIONED: "○",
        Status.ELSEWHERE: "◇",
        Status.QUEUED: "◔",
        Status.RUNNING: "◐",
        Status.FAILED: "✖",
        Status.OK: "●",
        Status.MARGINAL: "◍",
        Status.SUSPECT: "▲",
        Status.DOWN: "▼",
        Status.NO_APPLICATION: "□",
    },
    task={
        TaskState.QUEUED: "◔",
        TaskState.RUNNING: "◐",
        TaskState.DONE: "●",
        TaskState.FAILED: "✖",
        TaskState.CANCELLED: "◇",
        TaskState.SKIPPED: "○",
    },
    job={JobState.RUNNING: "◐", JobState.DONE: "●", JobState.CANCELLED: "◇"},
    cursor="▸",
    check="✓",
    up="▴",
    down="▾",
    full="█",
    empty="░",
    link="●",
    no_link="✖",
    pin="◉",
    rule="─",
    fault="!",
    ellipsis="…",
)
_ASCII: Final = Glyphs(
    status={
        Status.UNLICENSED: "$",
        Status.UNPROVISIONED: "o",
        Status.ELSEWHERE: "e",
        Status.QUEUED: ":",
        Status.RUNNING: ">",
        Status.FAILED: "X",
        Status.OK: ".",
        Status.MARGINAL: "m",
        Status.SUSPECT: "?",
        Status.DOWN: "!",
        Status.NO_APPLICATION: "a",
    },
    task={
        TaskState.QUEUED: ":",
        TaskState.RUNNING: ">",
        TaskState.DONE: ".",
        TaskState.FAILED: "X",
        TaskState.CANCELLED: "c",
        TaskState.SKIPPED: "o",
    },
    job={JobState.RUNNING: ">", JobState.DONE: ".", JobState.CANCELLED: "c"},
    cursor=">",
    check="x",
    up="^",
    down="v",
    full="#",
    empty="-",
    link="*",
    no_link="X",
    pin="@",
    rule="-",
    fault="!",
    ellipsis="~",
)


class Appearance:
    """How everything looks on this terminal: a style for each token, the glyphs, and Textual's theme."""

    def __init__(self, depth: Depth = Depth.FULL, *, ascii_only: bool = False) -> None:
        self.depth = depth
        self.ascii_only = ascii_only
        self.glyphs = _ASCII if ascii_only else _UNICODE
        words = {Depth.FULL: _COLOURS, Depth.SIXTEEN: _SIXTEEN, Depth.NONE: _WITHOUT}[depth]
        surface = Style.parse(f"on {_SURFACE}") if depth is Depth.FULL else Style.null()
        cursor = Style.parse(f"on {_CURSOR}")
        self._plain = {token: surface + Style.parse(words.get(token, "")) for token in Token}
        self._cursor = {
            token: style + cursor if depth is Depth.FULL else Style(reverse=True, bold=token in _BOLD)
            for token, style in self._plain.items()
        }

    @property
    def colourful(self) -> bool:
        """Whether the full palette is used, instead of the terminal's own colours."""
        return self.depth is Depth.FULL

    def style(self, token: Token, *, cursor: bool = False) -> Style:
        """The style of a token, on the cursor's row or off it."""
        return self._cursor[token] if cursor else self._plain[token]

    def theme(self) -> Theme:
        """What Textual's own widgets (the text fields) need to know."""
        if self.colourful:
            return Theme(
                name=THEME,
                primary="#f0a35e",
                secondary="#79b4ff",
                accent="#f0a35e",
                foreground="#d7dbe0",
                background=_SURFACE,
                surface=_SURFACE,
                panel=_SURFACE,
                variables={
                    "field": "#20252d",
                    "border": "#4a525e",
                    "scrollbar": "#4a525e",
                    "scrollbar-background": _SURFACE,
                    "input-cursor-background": "#f0a35e",
                    "input-cursor-foreground": _SURFACE,
                },
            )
        return Theme(
            name=THEME,
            ansi=True,
            primary="ansi_blue",
            secondary="ansi_cyan",
            accent="ansi_blue",
            foreground="ansi_default",
            background="ansi_default",
            surface="ansi_default",
            panel="ansi_default",
            boost="ansi_default",
            variables={
                **BUILTIN_THEMES["ansi-dark"].variables,
                "field": "ansi_default",
                "border": "ansi_default",
                "scrollbar": "ansi_default",
                "scrollbar-background": "ansi_default",
                "input-cursor-background": "ansi_default",
                "input-cursor-foreground": "ansi_default",
                "input-cursor-text-style": "reverse",
            },
        )

    @classmethod
    def of_terminal(cls, environment: Mapping[str, str]) -> Appearance:
        """What this terminal can show, by its environment."""
        return cls(_depth(environment), ascii_only=not _speaks_unicode(environment))


def _depth(environment: Mapping[str, str]) -> Depth:
    if "NO_COLOR" in environment:
        return Depth.NONE
    forced = environment.get("TEXTUAL_COLOR_SYSTEM", "auto")
    if forced != "auto":
        return Depth.SIXTEEN if forced in ("standard", "windows") else Depth.FULL
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return Depth.FULL
    term = environment.get("TERM", "")
    return Depth.FULL if "256color" in term or term.endswith(("-direct", "kitty")) else Depth.SIXTEEN


def _speaks_unicode(environment: Mapping[str, str]) -> bool:
    if environment.get("TERM") == "linux":
        return False
    named = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    encoding = named.partition(".")[2].partition("@")[0] if named else locale.getpreferredencoding(False)
    try:
        return codecs.lookup(encoding or "ascii").name == "utf-8"
    except LookupError:
        return False
