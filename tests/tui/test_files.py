from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FieldhandError, Kind
from tui import files
from tui.model.words import Words


@pytest.mark.parametrize(
    "text",
    [
        "/tmp/fan image.apb",
        "  /tmp/fan image.apb \n",
        "'/tmp/fan image.apb'",
        '"/tmp/fan image.apb"',
        r"/tmp/fan\ image.apb",
        "file:///tmp/fan%20image.apb",
    ],
)
def test_a_path_is_taken_as_terminals_paste_it(text: str) -> None:
    assert files.as_path(text) == Path("/tmp/fan image.apb")


def test_a_name_with_a_quote_in_it_is_a_path_when_there_is_such_a_file(tmp_path: Path) -> None:
    path = tmp_path / "operator's list.csv"
    path.write_text("x")
    assert files.as_path(str(path)) == path


@given(st.text())
def test_whatever_is_typed_is_some_path(text: str) -> None:
    assert isinstance(files.as_path(text.replace("\0", "").replace("~", "")), Path)


def test_a_folder_shows_folders_first_and_only_files_that_can_be_meant(tmp_path: Path) -> None:
    for name in ("b.apb", "A.APB", "c.txt", ".d.apb"):
        (tmp_path / name).write_text("x")
    (tmp_path / "z").mkdir()
    assert [entry.path.name for entry in files.entries(tmp_path, "", {".apb"})] == ["z", "A.APB", "b.apb"]
    assert [entry.path.name for entry in files.entries(tmp_path, "a", {".apb"})] == ["A.APB"]
    assert [entry.path.name for entry in files.entries(tmp_path, ".", {".apb"})] == [".d.apb"]


def test_a_dangling_link_hides_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "gone.apb").symlink_to(tmp_path / "nowhere")
    (tmp_path / "there.apb").write_text("x")
    assert [entry.path.name for entry in files.entries(tmp_path, "", {".apb"})] == ["there.apb"]


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_text("1234")
    for name, reason in (("none", "no such file"), (".", "not a file"), ("binary", "UTF-8"), ("large", "too large")):
        with pytest.raises(FieldhandError, match=reason) as caught:
            files.read_text(tmp_path / name, largest=3)
        assert caught.value.kind is Kind.FILE


def test_nothing_is_overwritten_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    files.write_text(path, "one\r\n", overwrite=False)
    with pytest.raises(FieldhandError, match="there already"):
        files.write_text(path, "two", overwrite=False)
    assert path.read_bytes() == b"one\r\n"
    files.write_text(path, "two", overwrite=True)
    assert path.read_text() == "two"


def test_every_word_has_to_be_somewhere() -> None:
    assert Words().match("anything")
    assert Words("fan NO").match("no answer", "Fan 3")
    assert not Words("fan pump").match("Fan 3")


@pytest.mark.parametrize(
    "pasted", ["/media/my stick/a.apb", "'/media/my stick/a.apb'", "file:///media/my%20stick/a.apb", "~/a.apb"]
)
def test_a_path_pasted_behind_the_folder_that_stood_there_counts_alone(pasted: str) -> None:
    assert files.as_path(f"/home/olga/{pasted}") == files.as_path(pasted)
    assert files.as_path(pasted).is_absolute()
