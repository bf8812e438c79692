"""The rows of the image repository: what each image says of itself, and who needs it."""

from __future__ import annotations

from core.errors import FieldhandError, Kind
from core.models import JobState, StoredImage
from core.store import views
from core.store.database import Transaction
from drivers.base import Image, ImageFacts


async def known(tx: Transaction, image: Image) -> StoredImage | None:
    """The image, where it is there already under any name; raises DUPLICATE_NAME where the name is another's."""
    stored = await views.images(tx.db)
    for same in stored:
        if same.sha256 == image.sha256:
            return same
    for other in stored:
        if other.name == image.name:
            what = f"different image ('fieldhand image remove {other.sha256[:8]}' takes it out)"
            raise FieldhandError(Kind.DUPLICATE_NAME, what=what, name=image.name)
    return None


async def add(tx: Transaction, image: Image, protocol: str, facts: ImageFacts, operator: str) -> StoredImage:
    """Put an image whose bytes are kept on the list."""
    await tx.db.execute(
        "INSERT INTO image (sha256, name, protocol, type, program_id, model, firmware, opaque, size, added_at,"
        " added_by, rev) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            image.sha256,
            image.name,
            protocol,
            facts.type,
            facts.program_id,
            facts.model,
            facts.firmware,
            facts.opaque,
            len(image.data),
            tx.now,
            operator,
            tx.rev,
        ),
    )
    return await views.image(tx.db, image.sha256)


async def remove(tx: Transaction, text: str) -> StoredImage:
    """Take an image off the list; raises UNKNOWN_IMAGE, or IN_USE while an unfinished job loads it."""
    stored = await views.image(tx.db, text)
    users = await tx.db.execute_fetchall(
        "SELECT j.id FROM job j JOIN task t ON t.job_id = j.id JOIN device d ON d.id = t.device_id"
        " WHERE j.state = ? AND t.state IN ('queued', 'running')"
        " AND (json_extract(j.parameters, '$.image') = ?"
        "      OR j.action = 'resume' AND json_extract(d.checkpoint, '$.sha256') = ?) LIMIT 1",
        (JobState.RUNNING.value, stored.sha256, stored.sha256),
    )
    for row in users:
        raise FieldhandError(Kind.IN_USE, what="image", name=stored.name, reason=f"job {row['id']} loads it")
    await tx.db.execute("DELETE FROM image WHERE sha256 = ?", (stored.sha256,))
    return stored
