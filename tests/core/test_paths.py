"""Where the state lies, and who may look in."""

import socket
import stat
from pathlib import Path

import pytest

from core.errors import FieldhandError, Kind
from core.paths import VARIABLE, StateDirectory

KERNEL_LIMIT = 108


def test_the_directory_given_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "variable"))
    assert StateDirectory.find(str(tmp_path / "given")).path == tmp_path / "given"
    assert StateDirectory.find(None).path == tmp_path / "variable"


def test_without_either_it_is_the_platforms_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert StateDirectory.find(None).path == tmp_path / "fieldhand"


def test_a_relative_path_is_made_absolute_since_the_worker_lives_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert StateDirectory.find("state").path == tmp_path / "state"


def test_only_its_owner_may_look_into_a_new_directory(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path / "deep" / "state")
    directory.create()
    directory.create()
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_a_directory_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FieldhandError) as refused:
        StateDirectory(tmp_path / "file" / "state").create()
    assert refused.value.kind is Kind.STATE_DIRECTORY
    assert "--state" in str(refused.value)


@pytest.mark.parametrize("depth", [1, 60])
def test_a_socket_can_be_bound_however_deep_the_directory_lies(tmp_path: Path, depth: int) -> None:
    directory = StateDirectory(tmp_path.joinpath(*["deep"] * depth))
    directory.create()
    with directory.socket_address() as address, socket.socket(socket.AF_UNIX) as bound:
        assert len(address) < KERNEL_LIMIT
        bound.bind(address)
        assert directory.socket.is_socket()
