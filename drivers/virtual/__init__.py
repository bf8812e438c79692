"""The virtual field: simulated LON devices behind network interfaces, and Modbus units, on real pseudo-terminals.

A second, independent implementation of the wire. It shares no code with the driver it is used to test, so
that a misreading of the protocol in one of them shows up as a disagreement.
"""
