"""`fieldhand license …`: making, signing, trusting and adding capacity licenses."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime, time
from pathlib import Path

from core.errors import Exit, FieldhandError, Kind
from core.store import views
from tui.commands.parsing import Commands
from tui.commands.session import Session, table
from tui.files import LARGEST_KEY, read_text


def add(commands: Commands) -> None:
    """Add these commands."""
    license_ = commands.group("license", "capacity licenses: how many devices the site may have")
    license_.add("list", _list, "list the licenses in use")
    license_.add("add", _add, "use a license").add_argument("file", type=Path)
    license_.add("trust", _trust, "accept licenses signed with this key").add_argument(
        "key", type=Path, metavar="PUBKEYFILE"
    )
    license_.add("keygen", _keygen, "make a key to sign licenses with").add_argument(
        "key", type=Path, metavar="KEYFILE"
    )
    issuing = license_.add("issue", _issue, "sign a license")
    issuing.add_argument("--key", type=Path, required=True, metavar="KEYFILE")
    issuing.add_argument("--devices", type=int, required=True)
    issuing.add_argument("--site", help="the name of the one site it is for; any unless set")
    issuing.add_argument("--expires", type=_day, metavar="DATE", help="the last day, YYYY-MM-DD; never unless set")
    issuing.add_argument("--out", type=Path, required=True, metavar="FILE")


def _day(text: str) -> datetime:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2027-12-31") from None
    return datetime.combine(day, time(23, 59, 59), UTC)


async def _list(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        licenses = await views.licenses(db)
        seats = await views.seats(db, datetime.now(UTC).timestamp())
    expiry = {known.id: _date(known.expires) if known.expires else "never" for known in licenses}
    rows = [
        (known.id, known.devices, known.site or "any", expiry[known.id], _date(known.added_at), known.added_by)
        for known in licenses
    ]
    heading = ("License", "Devices", "Site", "Expires", "Added", "By")
    text = table(rows, heading, "no licenses: 'fieldhand license add FILE' adds one")
    data = {
        "capacity": seats.capacity,
        "used": seats.used,
        "waiting": seats.waiting,
        "licenses": [
            {
                "id": known.id,
                "devices": known.devices,
                "site": known.site,
                "issued": _date(known.issued),
                "expires": _date(known.expires) if known.expires else None,
                "key": known.key,
                "added_by": known.added_by,
            }
            for known in licenses
        ],
    }
    session.say(f"{text}\n{seats.used} of {seats.capacity} seats used, {seats.waiting} devices wait for one", data)
    return Exit.DONE


async def _add(arguments: argparse.Namespace, session: Session) -> Exit:
    from core.rpc import AddLicense  # noqa: PLC0415

    text = read_text(arguments.file, LARGEST_KEY, "a license")
    async with session.worker() as worker:
        added = await worker.call(AddLicense(text=text))
    session.say(f"license {added.id} for {added.devices} devices is in use", {"id": added.id, "devices": added.devices})
    return Exit.DONE


async def _trust(arguments: argparse.Namespace, session: Session) -> Exit:
    from core.rpc import TrustKey  # noqa: PLC0415

    pem = read_text(arguments.key, LARGEST_KEY, "a key")
    async with session.worker() as worker:
        key = await worker.call(TrustKey(key=pem))
    session.say(f"licenses signed with key {key} are accepted", {"key": key})
    return Exit.DONE


async def _keygen(arguments: argparse.Namespace, session: Session) -> Exit:
    from core import licensing  # noqa: PLC0415

    private, public = licensing.generate_key()
    public_path = arguments.key.with_name(arguments.key.name + ".pub")
    _write_new(public_path, public, 0o644)
    try:
        _write_new(arguments.key, private, 0o600)
    except FieldhandError:
        public_path.unlink()
        raise
    key = licensing.key_id(licensing.load_public_key(public))
    session.say(f"key {key} is in {arguments.key}, its public half in {public_path}", {"key": key})
    return Exit.DONE


async def _issue(arguments: argparse.Namespace, session: Session) -> Exit:
    from core import licensing  # noqa: PLC0415

    key = read_text(arguments.key, LARGEST_KEY, "a key")
    text = licensing.issue(key, arguments.devices, arguments.site, arguments.expires)
    _write_new(arguments.out, text, 0o644)
    session.say(f"license for {arguments.devices} devices is in {arguments.out}", {"file": str(arguments.out)})
    return Exit.DONE


def _write_new(path: Path, text: str, mode: int) -> None:
    """A file that was not there; a key or a license is never written over."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise FieldhandError(Kind.FILE, path=str(path), reason=error.strerror or str(error)) from error


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
