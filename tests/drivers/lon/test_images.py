"""Image files: what is read from good ones, and that no damaged one gets through."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Image
from drivers.lon.images import (
    COMMUNICATION,
    MAX_SIZE,
    WRITE_SIZE,
    ApplicationImage,
    ImageError,
    Record,
    RecordKind,
    facts_of,
    parse_apb,
    parse_ndl,
    read,
)

from .images import PROGRAM_ID, VARIABLES, apb_record, build_apb, build_ndl, ndl_line

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "lon"
APB, NDL = build_apb(records=40), build_ndl(records=40)
APB_HEADER = 0x27
APB_USED_HEADER = {*range(12), 21, 28, 29, 30, 31}
FIRST_RECORD = APB_HEADER + 5 + 32


def image(name: str, data: bytes) -> Image:
    return Image(name, "", data)


def memory(content: ApplicationImage) -> dict[tuple[RecordKind, int], int]:
    """What is where when everything has been written."""
    return {
        (record.kind, record.start + at): byte
        for record in content.records
        if record.kind is not RecordKind.VARIABLE
        for at, byte in enumerate(record.data)
    }


def test_an_apb_is_read_as_the_writes_that_load_it() -> None:
    content = parse_apb(build_apb(records=180))
    assert (content.model, content.firmware, content.build) == (0x24, 21, b"\x04\x08")
    assert content.program_id == PROGRAM_ID
    variables = [record for record in content.records if record.kind is RecordKind.VARIABLE]
    assert [record.offset for record in variables] == list(range(VARIABLES))
    assert {len(record.data) for record in variables} == {3}
    assert len(content.records) - len(variables) + 2 + 2 == 180  # two separators, two records of entries
    assert {record.phase for record in content.records} == {0, 1, 2}
    assert [record.offset for record in content.records if record.last] == [0]
    assert content.records[0].offset == 0xF008
    assert content.size == sum(len(record.data) for record in content.records)


def test_both_forms_of_a_program_put_the_same_into_memory() -> None:
    apb, ndl = parse_apb(APB), parse_ndl(NDL)
    assert memory(apb) == memory(ndl)
    assert (apb.model, apb.firmware, apb.build, apb.program_id) == (ndl.model, ndl.firmware, ndl.build, ndl.program_id)
    assert [record.offset for record in ndl.records if record.last] == [0]


def test_the_communication_parameters_of_an_ndl_are_left_alone() -> None:
    untouched = set(COMMUNICATION[0x24])
    written = {address for kind, address in memory(parse_ndl(NDL)) if kind is RecordKind.MEMORY}
    assert not written & untouched
    assert {0xF036, 0xF047} <= written
    assert 0xF015 in written  # applicationless, with the first record; its final state comes by a message
    assert parse_ndl(NDL).records[-1] == Record(RecordKind.MEMORY, 0xF00A, bytes([VARIABLES]), 3)


@pytest.mark.parametrize("name", ["5kEvbMultiSensor", "VAV_sim"])
def test_real_images_are_read_to_their_last_byte(name: str) -> None:
    if not SAMPLES.is_dir():
        pytest.skip("the sample images are not part of the project")
    apb, ndl = ((SAMPLES / f"{name}{extension}").read_bytes() for extension in (".APB", ".NDL"))
    one, other = parse_apb(apb), parse_ndl(ndl)
    assert memory(one) == memory(other)
    assert one.program_id == other.program_id
    document = (SAMPLES / f"{name}.XIF").read_text("latin-1").splitlines()
    assert document[4].replace(":", "") == one.program_id.hex().upper()
    assert max(len(record.data) for record in one.records + other.records) <= WRITE_SIZE
    assert facts_of(image(f"{name}.APB", apb)).model == one.model


def test_an_image_says_of_itself_what_is_compared_with_devices() -> None:
    for name, data in (("a.apb", APB), ("A.NDL", NDL)):
        facts = facts_of(image(name, data))
        assert (facts.type, facts.opaque) == (name[-3:].lower(), False)
        assert (facts.program_id, facts.model, facts.firmware) == (PROGRAM_ID.hex().upper(), 0x24, 21)


def test_files_without_a_public_description_are_opaque_unless_a_known_one_is_inside() -> None:
    for name in ("a.nx", "a.NXI"):
        facts = facts_of(image(name, b"\x00whatever"))
        assert (facts.type, facts.opaque, facts.program_id) == (name[2:].lower(), True, None)
        assert read(image(name, APB)) == parse_apb(APB)
        assert read(image(name, NDL)) == parse_ndl(NDL)
        with pytest.raises(ImageError):
            read(image(name, APB[:-1]))


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.hex", APB, r"\.apb, \.ndl, \.nx and \.nxi"),
        ("apb", APB, r"\.apb, \.ndl, \.nx and \.nxi"),
        ("a.apb", b"", "empty"),
        ("a.nx", b"", "empty"),
        ("a.apb", NDL, "an NDL inside"),
        ("a.ndl", APB, "an APB inside"),
        ("a.apb", b"\x7fELF", "begin with APPIMAGE"),
        ("a.ndl", b":00000001FF\n", "begin with :04F00800"),
        ("a.nxi", bytes(MAX_SIZE + 1), "more than"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        read(image(name, data))


def with_first(content: bytes) -> bytes:
    return APB[:APB_HEADER] + content + APB[FIRST_RECORD:]


def changed_table(at: int, byte: int) -> bytes:
    table = bytearray(APB[APB_HEADER + 5 : FIRST_RECORD])
    table[at] = byte
    return with_first(apb_record(0, 0xF008, bytes(table)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (APB[:9], "offset 8: .*version"),
        (APB[:0x20], "offset 32: no record"),
        (APB[:-1], "cut off"),
        (APB + b"\x00", "offset .*: 1 bytes are no record"),
        (APB + b"trailing garbage", "offset"),
        (APB[:-1] + bytes([APB[-1] ^ 1]), "offset .*: the checksum"),
        (APB + apb_record(1, 0, b"x"), "kind 01"),
        (APB + apb_record(5, 1, b""), "separator"),
        (APB + apb_record(0, 0x4000, b""), "holds nothing"),
        (APB + apb_record(2, 0, b"1234"), "no whole entries"),
        (APB + apb_record(0, 0xFFFF, b"12"), "past the end"),
        (APB + apb_record(0x40, 0xFFFF, bytes(17)), "beyond the end"),
        (APB + apb_record(0, 0xEFFF, b"12"), "Neuron ID"),
        (APB + apb_record(0, 0xF040, b"\x05"), "communication parameters"),
        (APB + apb_record(0, 0x4000, bytes(32)) + apb_record(0, 0x4010, bytes(32)), "overlaps what offset"),
        (APB + apb_record(0, 0x4010, bytes(8)) + apb_record(0, 0x4000, bytes(32)), "overlaps what offset"),
        (APB[:FIRST_RECORD], "cut off: .* F00A"),
        (APB[:-23], "cut off: it configures 10 of its 16"),
        (changed_table(13, 0x42), "F015 is not applicationless"),
        (APB + apb_record(5, 0, b"") + apb_record(0, 0xF015, b"\x44"), "F015 is not applicationless"),
        (with_first(apb_record(0, 0xF008, b"1234")), "no record for address F008"),
        (APB[:10] + b"\x20" + APB[11:], "models .* differ"),
        (APB[:11] + b"\x14" + APB[12:], "firmware numbers .* differ"),
    ],
)
def test_a_damaged_apb_is_refused_with_place_and_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        parse_apb(data)


LINES = NDL.splitlines(keepends=True)
END = ndl_line(1, 0, b"")


def with_lines(*lines: bytes) -> bytes:
    """More lines in the first section."""
    return b"".join([*LINES[:3], *lines, *LINES[3:]])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "line 1: .*colon"),
        (NDL + b"\n", "line .*: .*colon"),
        (NDL + END, "behind the end"),
        (NDL.removesuffix(END), "section 3 of 3"),
        (LINES[0], "section 1 of 3"),
        (ndl_line(0, 0xF009, b"1234") + NDL, "line 1: it does not begin"),
        (with_lines(b"hello\n"), "line 4: .*colon"),
        (with_lines(b":00 00 00 00 00\n"), "line 4: "),
        (with_lines(b":0000000\xff00\n"), "line 4: .*hexadecimal"),
        (with_lines(b":0100000000\n"), "line 4: .*longer or shorter"),
        (with_lines(b":0000000001\n"), "line 4: .*checksum"),
        (with_lines(ndl_line(3, 0, b"1234")), "line 4: .*type 03"),
        (with_lines(ndl_line(4, 0, b"1")), "line 4: .*2 bytes"),
        (with_lines(ndl_line(0xFF, 0, b"")), "line 4: .*nothing"),
        (with_lines(ndl_line(1, 7, b"")), "line 4: .*neither"),
        (with_lines(ndl_line(4, 0, b"\x00\x01"), ndl_line(0, 8, b"x")), "line 5: .*words"),
        (with_lines(ndl_line(4, 0, b"\x00\x11"), ndl_line(0, 0, b"x"), ndl_line(4, 0, bytes(2))), "line 5: .*beyond"),
        (with_lines(ndl_line(0, 0xF020, bytes(16))), "line 4: .*overlaps what line 2"),
        (with_lines(ndl_line(0, 0xF000, bytes(6))), "line 4: .*Neuron ID"),
        (b"".join([*LINES[:-3], ndl_line(0, 0xF014, b"\x50\x42"), *LINES[-2:]]), "F015 is not applicationless"),
        (b"".join(line for line in LINES if not line.startswith(b":10F037")), "communication parameters"),
    ],
)
def test_a_damaged_ndl_is_refused_with_line_and_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        parse_ndl(data)


def test_an_ndl_may_have_windows_line_ends_and_small_letters() -> None:
    assert parse_ndl(NDL.replace(b"\n", b"\r\n").lower()) == parse_ndl(NDL)


@given(st.sampled_from(["a.apb", "a.ndl", "a.nx", "a.nxi", "a.txt"]), st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    try:
        facts_of(image(name, data))
    except ImageError as refusal:
        assert str(refusal)


@given(st.sampled_from([(parse_apb, APB[:APB_HEADER]), (parse_ndl, LINES[0])]), st.binary(max_size=200))
def test_any_bytes_behind_a_good_beginning_are_read_or_refused(start: tuple[type, bytes], rest: bytes) -> None:
    parse, beginning = start
    for data in (beginning + rest, beginning + apb_record(0, 0xF008, rest[:200])):
        try:
            parse(data)
        except ImageError as refusal:
            assert str(refusal)


@given(st.integers(0, 8 * len(APB) - 1))
def test_no_flipped_bit_changes_what_an_apb_loads(bit: int) -> None:
    data = bytearray(APB)
    data[bit // 8] ^= 1 << bit % 8
    try:
        content = parse_apb(bytes(data))
    except ImageError:
        return
    assert bit // 8 < APB_HEADER
    assert (content.records, content.firmware, content.program_id) == (parse_apb(APB).records, 21, PROGRAM_ID)
    if bit // 8 in APB_USED_HEADER:
        assert bit // 8 in (10, 28, 30, 31)  # the model of this family stands there once, so the device must tell


@given(st.integers(0, 8 * len(NDL) - 1))
def test_no_flipped_bit_changes_what_an_ndl_loads(bit: int) -> None:
    data = bytearray(NDL)
    data[bit // 8] ^= 1 << bit % 8
    try:
        content = parse_ndl(bytes(data))
    except ImageError:
        return
    assert content == parse_ndl(NDL)
    assert bytes(data).upper() == NDL or bit // 8 == len(NDL) - 1


@given(st.integers(0, len(APB) - 1), st.integers(0, len(NDL) - 2))
def test_a_file_that_was_cut_off_anywhere_is_refused(apb: int, ndl: int) -> None:
    with pytest.raises(ImageError):
        parse_apb(APB[:apb])
    with pytest.raises(ImageError):
        parse_ndl(NDL[:ndl])
