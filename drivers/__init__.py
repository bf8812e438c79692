"""The wires: one package a protocol, each behind `drivers.base.Driver`. Knows no screen and no database."""
