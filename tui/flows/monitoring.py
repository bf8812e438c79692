"""How monitoring goes: asked for once when the worker answers, told by it from then on."""

from __future__ import annotations

from core.rpc import Measured, ReadMonitoring
from tui.console import Console
from tui.messages import MonitoringMeasured


async def read_monitoring(app: Console) -> None:
    """Ask how many events a second there are, and what is paused."""
    ports = await app.call(ReadMonitoring())
    last = app.site.measured.last if app.site.measured else 0
    app.post_message(MonitoringMeasured(Measured(ports=ports, last=last)))
