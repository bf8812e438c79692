"""Practising without hardware: the virtual field as a port of this site, and seats for its devices."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from core.client import EngineClient
from core.errors import FieldhandError, Kind
from core.models import Port, PortState
from core.rpc import AddLicense, AddPort, Discover, TrustKey
from tui.console import Console
from tui.flows.devices import search
from tui.flows.virtual_field import DEVICES, PORT_NAME
from tui.text import plural

OPENING_SECONDS: Final = 15.0
"""The worker looks for a port that was lost again and again, at least every few seconds."""
PRACTICE_DAYS: Final = 7
"""How long the license to practise lasts: it is no way to have seats for good."""


async def practise(app: Console) -> None:
    """Start the virtual field, add its port and, where the site has no license, one to practise; then search."""
    app.say("starting the virtual field")
    url = await app.field.start()
    try:
        await app.call(AddPort(url=url, name=PORT_NAME))
    except FieldhandError:
        await app.field.close()
        raise
    if app.site.summary is not None and not app.site.summary.seats.capacity:
        await license_seats(app.engine, DEVICES, expires=datetime.now(UTC) + timedelta(days=PRACTICE_DAYS))
    await search(app, PORT_NAME)


async def resume(app: Console) -> None:
    """The site has the port of a virtual field, which ended with the last console: start it again.

    Its devices have forgotten what they held, and the records have not: so they are asked.
    """
    if app.field.running:
        return
    try:
        await app.field.start()
    except FieldhandError as error:
        if error.kind is not Kind.IN_USE:  # another console of this site has it at work
            raise
        return
    app.say("the virtual field has started afresh: asking its devices")
    try:
        async with asyncio.timeout(OPENING_SECONDS):
            port = await app.until(lambda: _opened(app))
    except TimeoutError:
        app.say(
            "the virtual field has started afresh, but its port does not open",
            bad=True,
            hint="{view-ports} Ports says why",
        )
        return
    found = await app.call(Discover(port=port.name))
    app.say(f"the virtual field has started afresh: its {plural(len(found), 'device')} are as new again")


def _opened(app: Console) -> Port | None:
    """The port of the virtual field, if the worker has opened it."""
    opened = (port for port in app.site.ports if app.field.serves(port) and port.state is PortState.OPEN)
    return next(opened, None)


async def license_seats(
    client: EngineClient, seats: int, *, site: str | None = None, expires: datetime | None = None
) -> None:
    """Give the site a license of its own making, signed with a key that is forgotten at once."""
    from core import licensing  # noqa: PLC0415 - the console starts without the cryptography

    private, public = licensing.generate_key()
    await client.call(TrustKey(key=public))
    await client.call(AddLicense(text=licensing.issue(private, seats, site=site, expires=expires)))
