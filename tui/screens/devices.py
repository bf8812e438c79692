"""The Devices view: the list, its filter, its selection, and everything that starts from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from core.actions import BY_NAME
from core.lifecycle import Status
from core.models import Device
from tui import flows, screens
from tui.bindings import COMMANDS, FILTERING, Place, bindings
from tui.model.devices import NEEDS_SOMEBODY, Change
from tui.model.filter import parse
from tui.screens.screen import Keys, keys_of, labelled
from tui.screens.view import View
from tui.text import clean, plural
from tui.theme import Token
from tui.widgets.block import Line
from tui.widgets.device_table import COLUMNS, DeviceHead, DeviceTable
from tui.widgets.filter_line import DeviceCounts, FilterLine
from tui.widgets.list_table import inviting
from tui.widgets.table import LineTable

if TYPE_CHECKING:
    from tui.flows.starting import Subject

AGES_GROW_SECONDS = 10.0
DEBOUNCE_FROM = 5_000
"""Devices from which on the filter waits for a pause in typing."""
DEBOUNCE_SECONDS = 0.08


class DevicesView(View):
    """Filter line, titles, list."""

    PLACE = Place.DEVICES
    BINDINGS = bindings(*COMMANDS[Place.DEVICES])

    _offers: tuple[object, Sequence[tuple[str, str]]] = (None, ())

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        table = DeviceTable(self.app.site.devices)
        yield FilterLine(DeviceCounts())
        yield DeviceHead(table, self.app.site.devices)
        yield table

    def on_mount(self) -> None:
        """Ages grow by themselves."""
        self._tell_why_empty()
        self.set_interval(AGES_GROW_SECONDS, self.table.refresh_visible)

    @property
    def table(self) -> DeviceTable:
        """The list."""
        return self.query_one(DeviceTable)

    def subject(self) -> Subject | None:
        """What an action started now is for."""
        devices = self.app.site.devices
        ids = devices.chosen()
        if not ids:
            return None
        if not devices.selected:
            (device,) = ids
            return flows.starting.Subject.of(ids, clean(devices.rows[device].device.name))
        return flows.starting.Subject.of(ids, plural(len(ids), "device"))

    def show_filter(self, text: str) -> None:
        """Filter by this, as if it was typed."""
        self.query_one(FilterLine).set_text(text)

    # what changes the list

    def store_changed(self, change: Change) -> None:
        """Repaint what changed; all of it when rows came, went or moved."""
        if change.moved or not len(self.app.site.devices):
            self._show_all()
        else:
            self.table.refresh_devices(change.ids)
            self.query_one(FilterLine).update()

    def keys(self) -> Keys:
        """With the actions that are offered now."""
        devices = self.app.site.devices
        if self.query_one(FilterLine).editing:
            return [*labelled(FILTERING), ("", "words  status:failed  !group:roof")]
        if not devices.chosen():
            return keys_of(self.app, self.PLACE, rows=False)
        first, *rest = keys_of(self.app, self.PLACE)
        if devices.selected:
            first = (first[0], "actions on selected")
        return [first, rest[0], *self._offered(), *rest[1:]]

    def hint(self) -> str:
        """Why the device under the cursor is as it is, in full."""
        devices = self.app.site.devices
        row = devices.rows[devices.current.id] if devices.current else None
        if row is None or row.status not in (Status.FAILED, Status.MARGINAL):
            return ""
        return f"{clean(row.device.name)}: {row.reason}"

    @on(FilterLine.Changed)
    def _filter_typed(self, event: FilterLine.Changed) -> None:
        event.stop()
        if len(self.app.site.devices) < DEBOUNCE_FROM:
            self._apply_filter(event.text)
        else:
            self.set_timer(DEBOUNCE_SECONDS, lambda: self._apply_filter(event.text))

    @on(FilterLine.Left)
    def _filter_left(self, event: FilterLine.Left) -> None:
        event.stop()
        self.screen.set_focus(self.table)
        self.call_after_refresh(self._changed)

    @on(LineTable.Moved)
    def _moved(self) -> None:
        if self.app.site.devices.ranging:
            self.table.refresh_visible()
            self.query_one(FilterLine).update()

    def _apply_filter(self, text: str) -> None:
        if text == self.query_one(FilterLine).text:
            self.app.site.devices.set_filter(parse(text))
            self._show_all()

    def _show_all(self) -> None:
        devices = self.app.site.devices
        self._tell_why_empty()
        self.table.show(len(devices.view))
        self.query_one(DeviceHead).update()
        self._changed()

    def _changed(self) -> None:
        self.query_one(FilterLine).update()
        self.post_message(LineTable.Moved())

    def _offered(self) -> Sequence[tuple[str, str]]:
        model = self.app.site.devices
        stamp = (model.stamp, None if model.selected else model.cursor, self.app.site.circumstances)
        if self._offers[0] != stamp:
            devices = [model.rows[identity].device for identity in model.chosen()]
            self._offers = stamp, self.app.offered(devices)
        return self._offers[1]

    def _tell_why_empty(self) -> None:
        site = self.app.site
        empty: list[Line] = []
        if not site.loaded:
            pass
        elif site.devices.filter.terms:
            total = plural(len(site.devices), "device")
            hint = "{devices.step-back} clears the filter   {devices.filter} changes it"
            empty = inviting(self.app, f"No device matches the filter. There are {total}.", hint)
        elif not site.ports:
            hint = "{view-ports}  shows the ports, and {ports.add} there adds one:"
            empty = inviting(self.app, "No devices, and no port to find them on.", hint)
            if not self.app.read_only:
                empty.append(
                    (("       a serial port of this machine, or a virtual field to practise on", Token.MUTED),)
                )
        else:
            empty = inviting(
                self.app,
                "No devices yet.",
                "{devices.discover}  searches a port for devices and adopts what it finds",
                "{devices.add}  adds a device by hand",
                "Or press the service pin of a device: {devices.discover} adopts it then.",
            )
        if site.summary is not None and not site.summary.seats.capacity and not site.devices.filter.terms:
            empty += [(), (("    No license yet: devices stay unlicensed until one is added.", Token.WARNING),)]
            empty.append(self.app.hint("    {view-licenses}  shows the licenses, and {licenses.add} there adds one"))
        self.table.empty = empty

    # keys: selection

    def action_mark(self) -> None:
        """Select the device and go on to the next."""
        self.app.site.devices.toggle()
        self.table.refresh_row(self.table.cursor)
        self.table.move_cursor(self.table.cursor + 1)
        self._changed()

    def action_range(self) -> None:
        """Begin a range, or end it."""
        devices = self.app.site.devices
        if devices.ranging:
            devices.end_range()
        else:
            devices.begin_range()
        self._reselected()

    def action_extend(self, rows: int) -> None:
        """Select while moving."""
        devices = self.app.site.devices
        if not devices.ranging:
            devices.begin_range()
        self.table.move_cursor(self.table.cursor + rows)
        self._reselected()

    def action_all(self) -> None:
        """Select all that is shown."""
        self.app.site.devices.select_shown()
        self._reselected()

    def action_invert(self) -> None:
        """Invert what is shown."""
        self.app.site.devices.invert_shown()
        self._reselected()

    def action_unselect(self) -> None:
        """Select none."""
        self.app.site.devices.clear_selection()
        self._reselected()

    def action_reselect(self) -> None:
        """Select what was selected before."""
        self.app.site.devices.restore_selection()
        self._reselected()

    def action_kept(self) -> None:
        """Keep the selection under a name, or select one that was kept."""
        self.app.begin(flows.selections.kept_selections(self.app))

    def action_step_back(self) -> None:
        """End the range, else clear the filter, else the selection."""
        devices = self.app.site.devices
        if devices.ranging:
            devices.end_range()
        elif devices.filter.text:
            self.show_filter("")
        else:
            devices.clear_selection()
        self._reselected()

    def _reselected(self) -> None:
        self.table.refresh_visible()
        self._changed()

    # keys: filter and order

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one(FilterLine).edit()
        self.call_after_refresh(self._changed)

    def action_sort(self) -> None:
        """Sort by the next column that is shown."""
        names = [place.column.name for place in self.table.places]
        at = names.index(self.app.site.devices.sort) if self.app.site.devices.sort in names else -1
        self.app.site.devices.set_sort(names[(at + 1) % len(names)])
        self._show_all()

    def action_reverse(self) -> None:
        """Sort the other way round."""
        devices = self.app.site.devices
        devices.set_sort(devices.sort, reverse=not devices.reverse, then=devices.then)
        self._show_all()

    def action_order(self) -> None:
        """Choose a column to sort by."""
        devices = self.app.site.devices

        def chosen(column: str | None) -> None:
            if column is None:
                return
            devices.set_sort(column, then=devices.sort if column != devices.sort else devices.then)
            self._show_all()

        self.app.push_screen(screens.order_picker.OrderPicker(COLUMNS, devices.sort), chosen)

    # keys: what is done

    def action_palette(self) -> None:
        """Choose an action."""
        subject = self._subject_or_say()
        if subject:
            flows.actions.choose(self.app, subject, self, COMMANDS[self.PLACE])

    def action_act(self, name: str) -> None:
        """Start an action of the catalogue."""
        subject = self._subject_or_say()
        if subject:
            flows.actions.act(self.app, BY_NAME[name], subject)

    def action_assign(self) -> None:
        """Put into a group."""
        subject = self._subject_or_say()
        if subject:
            self.app.begin(flows.groups.assign_group(self.app, subject))

    def action_trouble(self, step: int) -> None:
        """To the next device that needs somebody, or the one before."""
        devices = self.app.site.devices
        self.table.move_to_next(lambda index: devices.at(index).status in NEEDS_SOMEBODY, step)

    def action_details(self) -> None:
        """Show everything of the device."""
        device = self.current
        if device:
            self.app.push_screen(screens.device.DeviceScreen(device.id))

    def action_discover(self) -> None:
        """Search a port."""
        self.app.begin(flows.devices.discover(self.app))

    def action_add(self) -> None:
        """Add by hand."""
        self.app.begin(flows.devices.add_device(self.app))

    def action_ignored(self) -> None:
        """See what is ignored, and stop ignoring it."""
        self.app.begin(flows.devices.stop_ignoring(self.app))

    def action_edit(self) -> None:
        """Change what is known of the device."""
        if self.current:
            self.app.begin(flows.devices.edit_device(self.app, self.current))

    def action_wink_on(self) -> None:
        """Wink until a key."""
        subject = self._subject_or_say()
        if subject:
            flows.actions.wink_on(self.app, subject)

    def action_test_often(self) -> None:
        """Test as often as the operator says."""
        subject = self._subject_or_say()
        if subject:
            self.app.begin(flows.actions.test_often(self.app, subject))

    def action_history(self) -> None:
        """What was done to the device."""
        if self.current:
            self.app.push_screen(screens.history.HistoryScreen(self.current))

    def action_copy(self) -> None:
        """Copy the UIDs of the selected devices, or of the one under the cursor."""
        if ids := self.app.site.devices.chosen():
            flows.copying.copy_uids(self.app, [self.app.site.devices.rows[identity].device for identity in ids])

    def action_copy_row(self) -> None:
        """Copy what the list says of them."""
        if ids := self.app.site.devices.chosen():
            flows.copying.copy_rows(self.app, [self.app.site.devices.rows[identity] for identity in ids])

    def action_import(self) -> None:
        """Add devices from a file."""
        self.app.begin(flows.devices.import_devices(self.app))

    def action_export(self) -> None:
        """Write the selected devices to a file, or all that are shown."""
        model = self.app.site.devices
        ids = model.chosen() if model.selected else model.view
        if ids:
            self.app.begin(flows.devices.export_devices(self.app, [model.rows[identity].device for identity in ids]))

    @property
    def current(self) -> Device | None:
        """The device under the cursor."""
        return self.app.site.devices.current

    def _subject_or_say(self) -> Subject | None:
        subject = self.subject()
        if subject is None:
            hint = "{devices.discover} searches a port, {devices.add} adds one by hand"
            self.app.say("no device here", hint=hint)
        return subject
