"""Where an operation was cut off on a device, as it is kept with the device's record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core.models import Interrupted


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A driver's checkpoint with all that it takes to go on from there.

    `capability` is the operation, `uid` the unit on which it was cut off: no other one can go on with it.
    `image` and `sha256` are "" where it is no load.
    """

    capability: str
    uid: str
    image: str
    sha256: str
    force: bool
    percent: int
    data: Mapping[str, Any]

    def to_json(self) -> str:
        """As a column of the store."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def of(cls, column: str | None, uid: str | None) -> StoredCheckpoint | None:
        """What the column says, where it is about this unit."""
        if column is None:
            return None
        kept = cls(**json.loads(column))
        return kept if kept.uid == uid else None

    def for_people(self) -> Interrupted:
        """What of it is shown."""
        return Interrupted(self.capability, self.image, self.sha256, self.percent)
