"""A unit behind a pseudo-terminal on which every byte takes its time, as a program: `python -m … BAUD`.

It prints the path of its port, answers reads of registers until its standard input ends, and then says how many it
answered and how many of them began before the line had been silent long enough.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
import tty

from drivers.modbus.bus import Line
from drivers.modbus.frames import Frame, ReadRegisters, Registers

REQUEST_SIZE = 8
CHUNK = 16
"""Bytes that arrive at once: what a UART hands over."""

TOLERANCE = 0.0005
"""Seconds: what a scheduler may be wrong by."""


def main(baud: int) -> None:
    """Answer until standard input ends."""
    line = Line(baud=baud)
    master, slave = os.openpty()
    tty.setraw(slave)
    print(os.ttyname(slave), flush=True)
    answered = early = 0
    silent_since = 0.0
    received = b""
    while True:
        ready, _, _ = select.select([master, sys.stdin], [], [])
        if sys.stdin in ready:
            break
        began = time.monotonic()
        received += os.read(master, 4096)
        if len(received) < REQUEST_SIZE:
            continue
        frame, received = Frame.from_bytes(received[:REQUEST_SIZE]), received[REQUEST_SIZE:]
        early += began < silent_since + line.gap - TOLERANCE
        request = ReadRegisters.from_bytes(frame.pdu)
        values = tuple(request.address + n for n in range(request.quantity))
        answer = Frame(frame.unit, Registers(request.function, values).to_bytes()).to_bytes()
        at = began + REQUEST_SIZE * line.character + line.gap
        for start in range(0, len(answer), CHUNK):
            chunk = answer[start : start + CHUNK]
            at += len(chunk) * line.character
            time.sleep(max(at - time.monotonic(), 0))
            os.write(master, chunk)
        silent_since = at
        answered += 1
    print(json.dumps({"answered": answered, "early": early}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
