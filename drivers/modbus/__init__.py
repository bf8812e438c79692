"""Modbus RTU over a serial line, in the order the bytes travel.

`frames` (what is said), `bus` (one exchange at a time), `port` (how a line is written as a URL), `dialogue` (one unit,
and who it is), `device_types` (kinds of devices as data; those in the folder `types` come with it), `configuration`,
`loading`, `driver`.
"""
