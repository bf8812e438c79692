"""A terminal that knows only ASCII is sent nothing else."""

import pytest

from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, Spec
from tests.tui.test_pictures import everything
from tui.theme import Appearance, Depth


@pytest.mark.parametrize(
    "keys",
    [
        ("G", "space"),
        ("asterisk", "p", "s"),
        ("a", "down"),
        ("2",),
        ("3",),
        ("J",),
        ("3", "H"),
        ("j", "i"),
        ("4",),
        ("5",),
        ("6",),
        ("7",),
        ("space", "L"),
        ("j", "c"),
        ("X",),
        ("E",),
        ("question_mark", "G"),
        ("ctrl+t",),
        ("D",),
        ("C",),
    ],
    ids="-".join,
)
async def test_every_screen_does_with_ascii(
    engine: FakeEngine, open_console: OpenConsole, keys: tuple[str, ...]
) -> None:
    await everything(engine)
    await engine.add(*(Spec(f"spare {number}") for number in range(30)))  # more than fit: something scrolls
    async with open_console(appearance=Appearance(Depth.NONE, ascii_only=True)) as operator:
        await operator.press(*keys)
        await operator.settled()
        shown = operator.screen()
        assert shown.isascii(), sorted({char for char in shown if not char.isascii()})
