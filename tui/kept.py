"""Selections that an operator keeps under a name, in a file of their own: the groups of a site are everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import platformdirs
from pydantic import TypeAdapter, ValidationError

from core.errors import FieldhandError, Kind
from tui import files

Selections = Mapping[str, tuple[int, ...]]
"""The ids of devices by name."""
_SITES: Final = TypeAdapter(dict[str, dict[str, tuple[int, ...]]])
"""Of each site, by its store."""


def selections(store: Path) -> Selections:
    """Those of a site; raises FILE."""
    return _read().get(str(store), {})


def keep(store: Path, kept: Selections) -> None:
    """These are the ones of a site now; those of sites that are no more go. Raises FILE."""
    there = {site: theirs for site, theirs in _read().items() if Path(site).exists()}
    sites = {**there, str(store): dict(kept)}
    files.write_own(_path(), _SITES.dump_json(sites, indent=2).decode())


def _read() -> dict[str, dict[str, tuple[int, ...]]]:
    path = _path()
    if not path.exists():
        return {}
    try:
        return _SITES.validate_json(files.read_text(path, what="a list of selections"))
    except ValidationError as error:
        raise FieldhandError(Kind.FILE, path=str(path), reason="it holds no selections") from error


def _path() -> Path:
    return Path(platformdirs.user_data_dir("fieldhand")) / "selections.json"
