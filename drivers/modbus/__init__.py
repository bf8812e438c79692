"""Modbus RTU: frames, the bus, device types, and the driver."""
