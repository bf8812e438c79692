"""The domain of fieldhand: devices, what may be done to them, and the record of what was done.

Knows no screen and no wire. A protocol is known only through `drivers.base`.
"""
