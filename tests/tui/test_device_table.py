"""The list draws only what changed: it depends on how Textual works inside, so that is held fast here."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual._compositor import CompositorUpdate
from textual.geometry import Region
from textual.scroll_view import ScrollView

from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, ok, plant
from tui.model.columns import GAP, Place
from tui.theme import Appearance, Depth
from tui.widgets.block import Piece
from tui.widgets.device_table import DeviceTable

MOST_BYTES_OF_A_STATUS = 150


@pytest.mark.parametrize("depth", Depth)
async def test_the_quick_way_to_draw_lines_gives_what_textual_would(
    engine: FakeEngine, open_console: OpenConsole, depth: Depth
) -> None:
    await plant(engine)
    async with open_console(appearance=Appearance(depth)) as operator:
        await operator.press("j", "space")
        table = operator.app.screen.query_one(DeviceTable)
        for crop in (Region(0, 0, 79, 18), Region(3, 2, 20, 1), Region(60, 17, 19, 1)):
            slow = ScrollView.render_lines(table, crop)
            quick = table.render_lines(crop)
            assert [strip.text for strip in quick] == [strip.text for strip in slow]
            assert [_look(strip) for strip in quick] == [_look(strip) for strip in slow]


def _look(strip: object) -> list[tuple[str, object, object, object, object]]:
    return [
        (char, style.color, style.bgcolor, bool(style.bold), bool(style.reverse))
        for text, style, _ in strip  # type: ignore[attr-defined]
        for char in text
    ]


async def test_a_moved_cursor_repaints_two_rows(
    engine: FakeEngine, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant(engine)
    async with open_console() as operator:
        table = operator.app.screen.query_one(DeviceTable)
        regions = _watch(table, monkeypatch)
        await operator.press("j")
        assert sorted(region.y for region in regions) == [0, 1]


async def test_a_changed_status_repaints_its_cell_and_one_out_of_sight_nothing(
    engine: FakeEngine, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant(engine)
    async with open_console() as operator:
        table = operator.app.screen.query_one(DeviceTable)
        regions = _watch(table, monkeypatch)
        await engine.change("UPDATE device SET health = 'down', rev = :rev WHERE name = 'AHU-04 supply fan'")
        await operator.up_to_date()
        (region,) = regions
        assert region.y == 1
        assert region.x >= 4
        assert region.right <= 4 + table.places[0].width + GAP
        regions.clear()
        await engine.change("UPDATE device SET health = 'down', rev = :rev WHERE name = 'VAV 5.12 west'")
        await operator.up_to_date()
        assert regions == []


async def test_a_changed_status_sends_its_cell_and_nothing_else(
    engine: FakeEngine, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant(engine)
    async with open_console(appearance=Appearance(Depth.FULL)) as operator:
        sent: list[str] = []

        def display(_: object, update: CompositorUpdate | None) -> None:
            if update is not None:
                sent.append(update.render_segments(operator.app.console))

        monkeypatch.setattr(operator.app, "_display", display)
        await engine.change("UPDATE device SET health = 'down', rev = :rev WHERE name = 'AHU-04 supply fan'")
        await operator.up_to_date()
        (update,) = filter(None, sent)
        assert "down" in update
        assert "AHU" not in update
        assert len(update.encode()) < MOST_BYTES_OF_A_STATUS


async def test_ten_thousand_devices_draw_as_few_rows_as_fit(
    engine: FakeEngine, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.add_port()
    await engine.add(*(ok(f"Device {n}", f"{n // 100 + 1}/{n % 100 + 1}") for n in range(10_000)))
    async with open_console() as operator:
        table = operator.app.screen.query_one(DeviceTable)
        drawn: list[int] = []
        row = table.row

        def watched(index: int, places: Sequence[Place]) -> list[Piece]:
            drawn.append(index)
            return row(index, places)

        await operator.until(lambda: operator.app.site.complete)
        monkeypatch.setattr(table, "row", watched)
        await operator.press("G")
        assert "Device 9999" in operator.screen()
        assert set(drawn) <= set(range(9_980, 10_000))


def _watch(table: DeviceTable, monkeypatch: pytest.MonkeyPatch) -> list[Region]:
    regions: list[Region] = []
    refresh = table.refresh

    def watched(*given: Region, **more: bool) -> DeviceTable:
        regions.extend(given or (table.size.region,))
        return refresh(*given, **more)

    monkeypatch.setattr(table, "refresh", watched)
    return regions
