"""Where ports may be on this machine: what the drivers find, and which of it is a port of the site already."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from core.engine import registry
from core.models import Port, Site
from core.rpc import PortFound
from drivers.base import Candidate


async def ports_found(site: Site, ports: Sequence[Port], path: str) -> tuple[PortFound, ...]:
    """Every place once, with all it can be tried as; or only the one at this path. Opens nothing."""
    kinds = [kind for protocol, kind in registry.drivers().items() if protocol not in site.without]
    found = await asyncio.gather(*(asyncio.to_thread(kind.candidates) for kind in kinds))
    places = {place.path: place for some in found for place in some}
    if path:
        known = (place for place in places.values() if path in (place.path, place.device))
        place = next(known, Candidate(path, path, ""))
        places = {place.path: place}
    names = await asyncio.to_thread(_names, ports)
    devices = await asyncio.to_thread(lambda: {one.path: os.path.realpath(one.device) for one in places.values()})
    return tuple(
        PortFound(
            path=place.path,
            device=place.device,
            what=place.what,
            holder=place.holder,
            port=names.get(devices[place.path], ""),
            urls=tuple(option for kind in kinds for option in kind.urls(place.path)),
        )
        for place in places.values()
    )


def _names(ports: Sequence[Port]) -> dict[str, str]:
    """The site's ports by the files that their URLs name. Blocks: a name may stand for another."""
    return {os.path.realpath(unquote(urlsplit(port.url).path)): port.name for port in ports}
