from __future__ import annotations

from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, Spec

NASTY = "[bold red]fan[/] $accent [@click=app.quit]x[/]"
CONTROL = "pump\x1b]0;owned\x07\x9b2J\u202e\r\n end"


async def test_names_are_never_markup_and_control_characters_never_reach_the_terminal(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await engine.add_port()
    await engine.add_group(NASTY)
    await engine.add(Spec(NASTY, group=NASTY), Spec(CONTROL), Spec("broken", failure="[red]no\x1b[2J answer"))
    async with open_console((160, 40)) as operator:
        for keys in (("i",), ("left", "a"), ("escape", "asterisk", "p"), ("s",), ("d",), ("escape", "2"), ("a",)):
            await operator.press(*keys)
            strips = operator.app.screen._compositor.render_strips()
            assert all(char.isprintable() for strip in strips for char in strip.text)
        await operator.press("escape", "1", "u")
        assert "[bold red]fan[/]" in operator.screen()
        assert "[red]no[2J answer" in operator.screen()
