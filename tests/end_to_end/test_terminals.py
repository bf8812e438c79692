"""The terminals that the other tests look through: a plain one and tmux do the same."""

import os
import shutil
from contextlib import closing

import pytest

from tests.end_to_end.terminals import Screen, Terminal, Tmux

WITH_TMUX = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.mark.parametrize("kind", [Terminal, pytest.param(Tmux, marks=WITH_TMUX)])
def test_a_terminal_has_its_size_takes_keys_and_tells_the_exit_code(kind: type[Terminal] | type[Tmux]) -> None:
    program = 'read line; stty size; echo "got <$line>"; exit 3'
    screen: Screen
    with closing(kind(("sh", "-c", program), dict(os.environ), 100, 30)) as screen:
        screen.press("fan", " 1", "\r")
        screen.shows("30 100", "got <fan 1>")
        assert screen.wait() == 3
