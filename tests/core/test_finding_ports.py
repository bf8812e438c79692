"""Where ports may be: listed without opening any, tried without keeping any."""

import asyncio
from typing import Literal

import pytest

from core.engine import registry
from core.errors import FieldhandError, Kind
from core.rpc import AddPort, EditSite, FindPorts, TryPort
from drivers.base import Candidate, PortError
from tests.core.conftest import Site, refusal
from tests.core.fake_driver import FakeDriver

USB = Candidate("/dev/serial/by-id/usb-A", "/dev/ttyUSB7", "Maker Thing")
BUSY = Candidate("/dev/ttyS9", "/dev/ttyS9", "built in", "process 12 (minicom)")


async def test_places_are_listed_with_what_they_can_be_tried_as_and_none_is_opened(site: Site) -> None:
    site.world.candidates = (USB, BUSY)
    usb, busy = await site.client.call(FindPorts())
    assert (usb.path, usb.device, usb.what, usb.holder, usb.port) == (USB.path, USB.device, USB.what, "", "")
    assert usb.urls == (
        ("Fake, fast", "fake:///dev/serial/by-id/usb-A"),
        ("Fake, slow", "fake:///dev/serial/by-id/usb-A?slow=1"),
    )
    assert busy.holder == "process 12 (minicom)"
    assert site.world.opened == []


@pytest.mark.parametrize("url", ["fake:///dev/ttyUSB7", "fake:///dev/serial/../ttyUSB7?slow=1"])
async def test_a_place_that_is_a_port_already_says_which_however_its_url_names_it(site: Site, url: str) -> None:
    site.world.candidates = (USB, BUSY)
    await site.client.call(AddPort(url=url, name="FT"))
    assert [found.port for found in await site.client.call(FindPorts())] == ["FT", ""]


async def test_a_place_is_listed_once_however_many_protocols_may_be_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(FakeDriver):
        protocol = "other"

        @classmethod
        def urls(cls, path: str) -> tuple[tuple[str, str], ...]:
            return (("Other", f"other://{path}"),)

    monkeypatch.setattr(registry, "drivers", lambda: {"fake": FakeDriver, "other": Other})
    site.world.candidates = (USB,)
    (found,) = await site.client.call(FindPorts())
    assert [label for label, _ in found.urls] == ["Fake, fast", "Fake, slow", "Other"]

    await site.client.call(EditSite(without=("fake",)))
    (found,) = await site.client.call(FindPorts())
    assert [label for label, _ in found.urls] == ["Other"]


async def test_one_path_can_be_asked_for_whether_it_was_found_or_not(site: Site) -> None:
    site.world.candidates = (USB,)
    (known,) = await site.client.call(FindPorts(path="/dev/ttyUSB7"))
    assert known.path == USB.path
    (other,) = await site.client.call(FindPorts(path="/tmp/lon0"))
    assert (other.path, other.what) == ("/tmp/lon0", "")
    assert other.urls[0] == ("Fake, fast", "fake:///tmp/lon0")


async def test_a_port_that_is_tried_is_let_go_of_again(site: Site) -> None:
    said = await site.client.call(TryPort(url="fake:///dev/ttyS1"))
    assert said == "a fake interface answers"
    assert site.world.port.closed
    assert site.engine.ports == {}


async def test_a_port_that_does_not_answer_says_why(site: Site) -> None:
    site.world.absent = PortError(Kind.NOT_AN_INTERFACE, port="/dev/ttyS1", protocol="fake", reason="silence")
    refused = await refusal(site.client.call(TryPort(url="fake:///dev/ttyS1")))
    assert refused.kind is Kind.NOT_AN_INTERFACE


async def test_the_sites_own_port_is_not_tried(site: Site) -> None:
    await site.client.call(AddPort(url="fake:///dev/ttyS1", name="FT"))
    refused = await refusal(site.client.call(TryPort(url="fake:///dev/ttyS1")))
    assert "already as 'FT'" in str(refused)
    assert len(site.world.opened) == 1


async def test_who_may_only_look_lists_but_does_not_try(site: Site) -> None:
    viewer = site.viewer()
    assert await viewer.call(FindPorts()) == ()
    with pytest.raises(FieldhandError) as refused:
        await viewer.call(TryPort(url="fake:///dev/ttyS1"))
    assert refused.value.kind is Kind.NOT_ALLOWED


async def test_trying_that_nobody_waits_for_any_more_keeps_nobody_else_waiting(site: Site) -> None:
    begun = asyncio.Event()

    class Never(asyncio.Event):
        async def wait(self) -> Literal[True]:
            begun.set()
            return await super().wait()

    site.world.opening = Never()
    trying = asyncio.create_task(site.client.call(TryPort(url="fake:///dev/ttyS1")))
    await begun.wait()
    trying.cancel()
    await asyncio.wait([trying])
    site.world.opening = None
    await site.client.call(AddPort(url="fake:///dev/ttyS1", name="FT"))
