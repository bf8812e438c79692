"""Tests of the virtual field."""
