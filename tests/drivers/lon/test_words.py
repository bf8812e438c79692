"""Packets in words, as the journal of a failed step shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.lon.words import in_words


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        ("08 10 01 FE 00 01 61 00", "request 1: query ID, 1/126 to all, domain -"),
        ("01 1C 01 FE 00 00 A1 B2 C3 D4 01 03 62 00", "request 3: respond to query, 1/126 to 00A1B2C3D401, domain -"),
        (
            "01 0C 01 FE 00 00 A1 B2 C3 D4 01 0B 6C 01",
            "acknowledged 11: set node mode, 1/126 to 00A1B2C3D401, domain -",
        ),
        ("01 3C 01 FE 00 00 A1 B2 C3 D4 01 70", "message: wink, 1/126 to 00A1B2C3D401, domain -"),
        (
            "01 1C 01 FE 00 00 A1 B2 C3 D4 01 03 70 05 03 00 00 20",
            "request 3: install command, 1/126 to 00A1B2C3D401, domain -",
        ),
        ("00 18 00 80 01 FE 2A 2C", "response 10: done, 0/0 to 1/126, domain -"),
        ("00 18 00 80 01 FE 27 03", "response 7: refused, 0/0 to 1/126, domain -"),
        ("00 08 00 80 01 FE 2B", "acknowledgement 11, 0/0 to 1/126, domain -"),
    ],
)
def test_a_packet_reads_as_what_it_asks_or_answers(packet: str, words: str) -> None:
    assert in_words(bytes.fromhex(packet)) == words


@given(st.binary(max_size=64))
def test_whatever_comes_has_words(data: bytes) -> None:
    assert in_words(data).isprintable()
