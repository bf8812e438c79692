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

from core.errors import FieldhandError, Kind
from core.lifecycle import Status
from core.models import JobState, TaskState


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


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a theme: a surface, a row under the cursor, a field to type in, lines, and the text on them."""

    surface: str
    cursor: str
    field: str
    text: str
    muted: str
    faint: str
    strong: str
    accent: str
    good: str
    bad: str
    warning: str
    magenta: str
    blue: str
    cyan: str

    def words(self) -> Mapping[Token, str]:
        """As Rich reads styles."""
        return {
            Token.TEXT: self.text,
            Token.MUTED: self.muted,
            Token.FAINT: self.faint,
            Token.STRONG: f"bold {self.strong}",
            Token.HEAD: self.muted,
            Token.ACCENT: self.accent,
            Token.KEY: self.accent,
            Token.GOOD: self.good,
            Token.BAD: f"bold {self.bad}",
            Token.WARNING: self.warning,
            Token.MARK: f"bold {self.accent}",
            Token.MAGENTA: self.magenta,
            Token.BLUE: self.blue,
            Token.CYAN: self.cyan,
            Token.YELLOW_BOLD: f"bold {self.warning}",
            Token.CHOSEN: f"bold {self.surface} on {self.accent}",
        }


DARK: Final = Palette(
    surface="#15181d",
    cursor="#2b333f",
    field="#20252d",
    text="#d7dbe0",
    muted="#8f98a5",
    faint="#4a525e",
    strong="#f2f4f7",
    accent="#f0a35e",
    good="#5fc27e",
    bad="#ff6e67",
    warning="#e6cd57",
    magenta="#dd84d8",
    blue="#79b4ff",
    cyan="#4ecad6",
)
PALETTES: Final[Mapping[str, Palette]] = {
    "dark": DARK,
    "light": Palette(
        surface="#f7f7f4",
        cursor="#dfe5ee",
        field="#eaeae4",
        text="#2a2f36",
        muted="#5b6470",
        faint="#b4bac2",
        strong="#0c0f13",
        accent="#9a4b00",
        good="#1d6b36",
        bad="#b3131b",
        warning="#7a5800",
        magenta="#8c2a87",
        blue="#1f57b0",
        cyan="#0b6470",
    ),
    "high-contrast": Palette(
        surface="#000000",
        cursor="#003a5c",
        field="#1c1c1c",
        text="#ffffff",
        muted="#d6d6d6",
        faint="#8c8c8c",
        strong="#ffffff",
        accent="#ffb454",
        good="#6dff8f",
        bad="#ff8a84",
        warning="#ffe74c",
        magenta="#ff9dfb",
        blue="#9ccaff",
        cyan="#6ff2ff",
    ),
    "colour-blind": Palette(  # after Okabe and Ito: no two statuses differ by red and green alone
        surface="#15181d",
        cursor="#2b333f",
        field="#20252d",
        text="#d7dbe0",
        muted="#9aa2ad",
        faint="#4a525e",
        strong="#f2f4f7",
        accent="#e69f00",
        good="#56b4e9",
        bad="#ff7f32",
        warning="#f0e442",
        magenta="#d98bb6",
        blue="#7fa8ff",
        cyan="#2fc3a0",
    ),
}
ANSI: Final = "ansi"
"""The terminal's own sixteen colours, also where it has more."""
THEMES: Final = (*PALETTES, ANSI)
VARIABLE: Final = "FIELDHAND_THEME"

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
    Token.BAD: "bold underline",
    Token.MARK: "bold",
    Token.YELLOW_BOLD: "bold",
    Token.CHOSEN: "bold reverse",
}
"""What failed stands out most: work that goes on is bold too."""
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

    def __init__(self, depth: Depth = Depth.FULL, *, ascii_only: bool = False, theme: str = "dark") -> None:
        if theme not in THEMES:
            reason = f"there is {', '.join(THEMES)}"
            raise FieldhandError(Kind.INVALID, what="theme", value=theme, reason=reason)
        can_show, depth = depth, Depth.SIXTEEN if theme == ANSI and depth is Depth.FULL else depth
        self.can_show = can_show
        """What the terminal can show, whatever is used of it."""
        self.depth = depth
        self.name = theme
        self._palette = palette = PALETTES.get(theme, DARK)
        self.ascii_only = ascii_only
        self.glyphs = _ASCII if ascii_only else _UNICODE
        words = {Depth.FULL: palette.words(), Depth.SIXTEEN: _SIXTEEN, Depth.NONE: _WITHOUT}[depth]
        surface = Style.parse(f"on {palette.surface}") if depth is Depth.FULL else Style.null()
        cursor = Style.parse(f"on {palette.cursor}")
        self._plain = {token: surface + Style.parse(words.get(token, "")) for token in Token}
        self._cursor = {
            token: style + cursor if depth is Depth.FULL else Style(reverse=True, bold=token in _BOLD)
            for token, style in self._plain.items()
        }

    @property
    def colourful(self) -> bool:
        """Whether the full palette is used, instead of the terminal's own colours."""
        return self.depth is Depth.FULL

    @property
    def textual_name(self) -> str:
        """What Textual calls the theme: another one for each."""
        return f"fieldhand-{self.name}"

    def themed(self, theme: str) -> Appearance:
        """The same terminal with another theme; raises INVALID. NO_COLOR and sixteen colours stay what they are."""
        return Appearance(self.can_show, ascii_only=self.ascii_only, theme=theme)

    def style(self, token: Token, *, cursor: bool = False) -> Style:
        """The style of a token, on the cursor's row or off it."""
        return self._cursor[token] if cursor else self._plain[token]

    def theme(self) -> Theme:
        """What Textual's own widgets (the text fields) need to know."""
        palette = self._palette
        if self.colourful:
            return Theme(
                name=self.textual_name,
                dark=palette is not PALETTES["light"],
                primary=palette.accent,
                secondary=palette.blue,
                accent=palette.accent,
                foreground=palette.text,
                background=palette.surface,
                surface=palette.surface,
                panel=palette.surface,
                variables={
                    "field": palette.field,
                    "border": palette.faint,
                    "scrollbar": palette.faint,
                    "scrollbar-background": palette.surface,
                    "input-cursor-background": palette.accent,
                    "input-cursor-foreground": palette.surface,
                },
            )
        return Theme(
            name=self.textual_name,
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
    def of_terminal(cls, environment: Mapping[str, str], theme: str | None = None) -> Appearance:
        """What this terminal can show, by its environment; raises INVALID for a theme that is not there."""
        theme = theme or environment.get(VARIABLE) or "dark"
        return cls(_depth(environment), ascii_only=not _speaks_unicode(environment), theme=theme)


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
