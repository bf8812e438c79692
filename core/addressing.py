"""The logical addresses of a site: which domain it is, and giving each device one that nobody else has."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from core.errors import FieldhandError, Kind
from core.models import Site
from drivers.base import Address, SiteSettings

DOMAIN_LENGTHS: Final = (0, 1, 3, 6)
"""Bytes a LON domain id may have (ISO/IEC 14908-1)."""


def domain(text: str) -> bytes:
    """A LON domain id written in hexadecimal; raises INVALID."""
    try:
        value = bytes.fromhex(text.replace(":", " "))
    except ValueError:
        value = None
    if value is None or len(value) not in DOMAIN_LENGTHS:
        raise FieldhandError(
            Kind.INVALID,
            what="domain",
            value=text,
            reason="it takes 0, 1, 3 or 6 bytes in hexadecimal, such as 55",
        )
    return value


def settings(site: Site) -> SiteSettings:
    """The site as a driver needs to know it."""
    return SiteSettings(domain=bytes.fromhex(site.domain), subnet=site.subnet, node=site.node)


def key(parts: Mapping[str, str | int]) -> str:
    """An address in the one form in which it is compared."""
    return json.dumps(parts, sort_keys=True)


def assign(
    devices: Mapping[int, str | None], candidates: Iterable[Address], taken: Iterable[str]
) -> Iterator[tuple[int, Address]]:
    """Give each device an address that nobody else has; raises NOT_ALLOWED when they run out.

    `devices` by id with the address (by `key`) where each was seen: it keeps that if it is one the site may give and
    was seen nowhere else. The others get the next free one. `taken`: what is given or was seen, also by `key`.
    """
    occupied = Counter(taken)
    candidates = list(candidates) if any(devices.values()) else candidates
    own = {key(address.parts): address for address in candidates} if isinstance(candidates, list) else {}
    free = (address for address in candidates if key(address.parts) not in occupied)
    for device, seen in devices.items():
        if seen in own and occupied[seen] == 1:
            yield device, own[seen]
            continue
        address = next(free, None)
        if address is None:
            raise FieldhandError(Kind.NOT_ALLOWED, reason="every logical address of the site is in use")
        yield device, address
