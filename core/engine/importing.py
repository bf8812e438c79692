"""Devices from a CSV file: every row is checked against what there is, then all are made, or none."""

from __future__ import annotations

from collections.abc import Sequence

from core import rpc, text
from core.engine import registry
from core.errors import FieldhandError, Kind
from core.interchange import Row, read_devices
from core.models import Device, Port
from core.store import inventory, views
from core.store.database import Transaction
from core.store.inventory import NewDevice


class Import:
    """One file on its way into the store; `problems` holds what is wrong, and then nothing may be made."""

    def __init__(self, devices: Sequence[Device], ports: Sequence[Port], groups: set[str], port: str | None) -> None:
        self._by_name = {device.name: device for device in devices}
        self._by_uid = {device.uid: device for device in devices if device.uid}
        self._ports = ports
        self._port = port
        self._groups = groups
        self.new: list[tuple[NewDevice, str]] = []
        """With the name of the group each goes into, "" for none."""
        self.known: list[str] = []
        self.new_groups: list[str] = []
        self.problems: list[rpc.ImportProblem] = []

    @classmethod
    async def prepare(cls, tx: Transaction, source: str, port: str | None) -> Import:
        """Read the text of a file and check it against the store. `port` is for protocols that have several."""
        if port is not None:
            await views.port(tx.db, port)
        groups = {group.name for group in await views.groups(tx.db)}
        result = cls(await views.devices(tx.db), await views.ports(tx.db), groups, port)
        rows, problems = read_devices(source)
        result.problems = [rpc.ImportProblem(line=one.line, column=one.column, reason=one.reason) for one in problems]
        for row in rows:
            result._take(row)
        result.problems.sort(key=lambda problem: problem.line)
        return result

    async def make(self, tx: Transaction) -> tuple[int, ...]:
        """Make the groups and the devices; the result is the new ids."""
        for group in self.new_groups:
            await inventory.add_group(tx, group)
        made = await inventory.add_devices(tx, [device for device, _ in self.new])
        for group in {group for _, group in self.new if group}:
            members = [made[place] for place, (_, name) in enumerate(self.new) if name == group]
            await inventory.assign_group(tx, members, group)
        return made

    def _take(self, row: Row) -> None:
        column = "name"
        try:
            name = text.name("device", row.name)
            column = "protocol"
            kind = registry.driver(row.protocol)
            column = "uid"
            uid = kind.parse_uid(row.uid) if row.uid else ""
            if self._is_known(name, uid):
                self.known.append(name)
                return
            column = "port"
            port = self._port_for(row)
            column = "group"
            group = text.name("group", row.group) if row.group else ""
        except FieldhandError as problem:
            column = "name" if problem.kind is Kind.DUPLICATE_NAME else column
            self.problems.append(rpc.ImportProblem(line=row.line, column=column, reason=str(problem)))
            return
        if group and group not in self._groups:
            self._groups.add(group)
            self.new_groups.append(group)
        new = NewDevice(
            name=name,
            uid=uid or None,
            protocol=row.protocol,
            port=port.id,
            program_id=row.program_id or None,
            type=row.type,
            location=row.location,
            carried=row.carried,
        )
        self.new.append((new, group))

    def _is_known(self, name: str, uid: str) -> bool:
        same_uid, same_name = self._by_uid.get(uid), self._by_name.get(name)
        if same_uid is not None and same_uid.name != name:
            raise FieldhandError(Kind.DUPLICATE_UID, uid=uid, device=same_uid.name)
        if same_name is not None and uid and same_name.uid != uid:
            raise FieldhandError(Kind.DUPLICATE_NAME, what="device", name=name)
        return same_name is not None

    def _port_for(self, row: Row) -> Port:
        fitting = [port for port in self._ports if port.protocol == row.protocol]
        wanted = row.port or (self._port if any(port.name == self._port for port in fitting) else "")
        if wanted:
            for port in fitting:
                if port.name == wanted:
                    return port
            reason = f"there is no {row.protocol} port of that name"
            raise FieldhandError(Kind.INVALID, what="port", value=wanted, reason=reason)
        if len(fitting) != 1:
            names = ", ".join(port.name for port in fitting)
            reason = f"it can be {names}: say which" if fitting else f"there is no {row.protocol} port yet"
            raise FieldhandError(Kind.INVALID, what="port", value="", reason=reason)
        return fitting[0]
