"""The image repository at work: files taken in, and given to the jobs that load them."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import OrderedDict
from pathlib import Path
from typing import Final

from core import images
from core.engine import registry
from core.errors import FieldhandError, Kind
from core.models import StoredImage
from core.store import images as rows
from core.store import views
from core.store.database import Writer
from drivers.base import Capability, Image, ImageFacts

MOST_IN_MEMORY: Final = 2
"""Images of jobs under way that are held at the same time: a gateway has little memory."""


class Images:
    """The repository of one engine. What is on the list has its file, and the other way round."""

    def __init__(self, folder: Path, writer: Writer) -> None:
        self._repository = images.Repository(folder)
        self._writer = writer
        self._changing = asyncio.Lock()
        """File and row come and go together."""
        self._reading = asyncio.Lock()
        """The devices of a job ask for the same image at the same time: it is read once."""
        self._read: OrderedDict[tuple[int, str], Image] = OrderedDict()

    async def start(self) -> None:
        """Put in order what a worker that was killed left behind."""
        known = await self._writer.run(lambda tx: views.images(tx.db))
        await asyncio.to_thread(self._repository.sweep, {stored.sha256 for stored in known})

    async def add(self, name: str, encoded: str, operator: str) -> StoredImage:
        """Check an image and keep it; raises IMAGE, DUPLICATE_NAME or FILE. One that is there stays as it is."""
        image, protocol, facts = await asyncio.to_thread(_examined, name, encoded)
        async with self._changing:
            known = await self._writer.run(lambda tx: rows.known(tx, image))
            await asyncio.to_thread(self._repository.keep, image)
            if known is None:
                known = await self._writer.run(lambda tx: rows.add(tx, image, protocol, facts, operator))
            return known

    async def remove(self, text: str) -> None:
        """Take an image out; raises UNKNOWN_IMAGE or IN_USE."""
        async with self._changing:
            stored = await self._writer.run(lambda tx: rows.remove(tx, text))
            await asyncio.to_thread(self._repository.discard, stored.sha256)

    async def read(self, job: int, sha256: str) -> Image:
        """The image that a job loads, read and checked once for all its devices; raises UNKNOWN_IMAGE or IMAGE."""
        async with self._reading:
            if (job, sha256) not in self._read:
                stored = await self._writer.run(lambda tx: views.image(tx.db, sha256))
                self._read[job, sha256] = await asyncio.to_thread(self._repository.read, stored)
                if len(self._read) > MOST_IN_MEMORY:
                    self._read.popitem(last=False)
            self._read.move_to_end((job, sha256))
            return self._read[job, sha256]


def _examined(name: str, encoded: str) -> tuple[Image, str, ImageFacts]:
    """The image, the protocol that takes it, and what it says of itself there."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FieldhandError(Kind.INVALID, what="image", value=name, reason="its bytes are not in base64") from error
    image = images.image(name, data)
    reasons = []
    for protocol, kind in registry.drivers().items():
        if Capability.LOAD in kind.capabilities:
            try:
                return image, protocol, kind.read_image(image)
            except FieldhandError as error:
                reasons.append(str(error.fields.get("reason", error)))
    reason = "; ".join(dict.fromkeys(reasons)) or "no device here takes images"
    raise FieldhandError(Kind.IMAGE, image=image.name, reason=reason)
