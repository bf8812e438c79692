"""`fieldhand image …`: the images that can be loaded into devices."""

from __future__ import annotations

import argparse
import base64
from pathlib import Path
from typing import Any

from core.errors import Exit
from core.models import StoredImage
from core.store import views
from tui.commands.parsing import Commands
from tui.commands.session import Session, fields, note, table, when


def add(commands: Commands) -> None:
    """Add these commands."""
    image = commands.group("image", "the images that can be loaded into devices")
    image.add("add", _add, "check image files and keep them").add_argument("file", type=Path, nargs="+")
    image.add("list", _list, "list the images that are kept")
    for name, command, text in (
        ("show", _show, "all there is to say of an image"),
        ("remove", _remove, "forget an image that no job needs"),
    ):
        image.add(name, command, text).add_argument("image", metavar="NAME", help="name or SHA-256")


def image_as_json(image: StoredImage) -> dict[str, Any]:
    """An image as scripts get it; the keys are kept stable."""
    return {
        "name": image.name,
        "sha256": image.sha256,
        "protocol": image.protocol,
        "type": image.type,
        "program_id": image.program_id,
        "model": image.model,
        "firmware": image.firmware,
        "opaque": image.opaque,
        "size": image.size,
        "added": when(image.added_at),
        "added_by": image.added_by,
    }


async def _add(arguments: argparse.Namespace, session: Session) -> Exit:
    from core.images import read_file  # noqa: PLC0415
    from core.rpc import AddImage  # noqa: PLC0415

    files = [read_file(path) for path in arguments.file]  # all, before the first is sent
    async with session.store() as db:
        before = {image.sha256 for image in await views.images(db)}
    added: list[StoredImage] = []
    async with session.worker() as worker:
        for file in files:
            note(f"saving {file.name}")
            added.append(await worker.call(AddImage(name=file.name, data=base64.b64encode(file.data).decode())))
    lines = [
        f"{image.name} is there already" if image.sha256 in before else f"{image.name} is kept: {_about(image)}"
        for image in added
    ]
    data = [image_as_json(image) | {"known": image.sha256 in before} for image in added]
    session.say("\n".join(lines), data)
    return Exit.DONE


def _about(image: StoredImage) -> str:
    program = f", program ID {image.program_id}" if image.program_id else ""
    return f"{image.protocol} {image.type}, {image.size} bytes{program}"


async def _list(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        images = await views.images(db)
    rows = [
        (image.name, image.type, image.program_id, image.model, image.firmware, image.size, image.sha256[:8])
        for image in images
    ]
    heading = ("Image", "Type", "Program ID", "Model", "Firmware", "Bytes", "SHA-256")
    session.say(
        table(rows, heading, "no images: 'fieldhand image add FILE' keeps one"),
        [image_as_json(image) for image in images],
    )
    return Exit.DONE


async def _show(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        image = image_as_json(await views.image(db, arguments.image))
    session.say(fields(image), image)
    return Exit.DONE


async def _remove(arguments: argparse.Namespace, session: Session) -> Exit:
    from core.rpc import RemoveImage  # noqa: PLC0415

    async with session.worker() as worker:
        await worker.call(RemoveImage(image=arguments.image))
    session.say(f"image {arguments.image} removed", {"image": arguments.image})
    return Exit.DONE
