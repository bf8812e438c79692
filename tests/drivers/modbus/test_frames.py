"""Frames: what is written is read back, and no bytes do harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.frames import (
    MOST_FILE_REGISTERS,
    Bits,
    FileData,
    Frame,
    FrameError,
    Function,
    Identification,
    Loopback,
    Message,
    ReadBits,
    ReadFile,
    ReadIdentification,
    ReadRegisters,
    Refusal,
    Registers,
    ReportServerId,
    Request,
    ServerId,
    WriteCoil,
    WriteCoils,
    WriteFile,
    WriteRegister,
    WriteRegisters,
    Written,
    crc,
    describe,
    request_from_bytes,
    response_from_bytes,
    response_length,
)

words = st.integers(0, 0xFFFF)
units = st.integers(1, 247)
bit_functions = st.sampled_from([Function.READ_COILS, Function.READ_DISCRETE_INPUTS])
register_functions = st.sampled_from([Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS])


def tuples(values: st.SearchStrategy[object], most: int) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(values, min_size=1, max_size=most).map(tuple)


file_bytes = st.integers(0, MOST_FILE_REGISTERS).flatmap(lambda n: st.binary(min_size=2 * n, max_size=2 * n))
requests: st.SearchStrategy[Request[object]] = st.one_of(
    st.builds(ReadBits, bit_functions, words, st.integers(1, 2000)),
    st.builds(ReadRegisters, register_functions, words, st.integers(1, 125)),
    st.builds(WriteCoil, words, st.booleans()),
    st.builds(WriteRegister, words, words),
    st.builds(Loopback, words),
    st.builds(WriteCoils, words, tuples(st.booleans(), 1968)),
    st.builds(WriteRegisters, words, tuples(words, 123)),
    st.builds(ReportServerId),
    st.builds(ReadFile, words, words, st.integers(1, 122)),
    st.builds(WriteFile, words, words, file_bytes),
    st.builds(ReadIdentification, st.integers(1, 4), st.integers(0, 255)),
)
objects = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=5).map(tuple)
bytes_of_bits = st.integers(1, 250).flatmap(lambda n: st.lists(st.booleans(), min_size=8 * n, max_size=8 * n))
responses: st.SearchStrategy[Message] = st.one_of(
    st.builds(Refusal, st.integers(1, 0x7F), st.integers(0, 255)),
    st.builds(Bits, bit_functions, bytes_of_bits.map(tuple)),
    st.builds(Registers, register_functions, tuples(words, 125)),
    st.builds(Written, st.sampled_from([Function.WRITE_COILS, Function.WRITE_REGISTERS]), words, words),
    st.builds(ServerId, st.binary(max_size=250)),
    st.builds(FileData, file_bytes),
    st.builds(Identification, st.integers(1, 4), st.integers(0, 255), st.booleans(), st.integers(0, 255), objects),
    st.builds(WriteCoil, words, st.booleans()),
    st.builds(WriteRegister, words, words),
    st.builds(Loopback, words),
    st.builds(WriteFile, words, words, file_bytes),
)


def test_the_crc_is_that_of_the_standard() -> None:
    assert crc(bytes.fromhex("0207")) == bytes.fromhex("4112")  # the guide's own example, appendix B


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        (ReadBits(Function.READ_COILS, 0x13, 0x13), "01 0013 0013"),
        (ReadRegisters(Function.READ_HOLDING_REGISTERS, 0x6B, 3), "03 006B 0003"),
        (WriteCoil(0xAC, True), "05 00AC FF00"),
        (WriteRegister(1, 3), "06 0001 0003"),
        (Loopback(0xA537), "08 0000 A537"),
        (WriteCoils(0x13, (True, False, True, True, False, False, True, True, True, False)), "0F 0013 000A 02 CD01"),
        (WriteRegisters(1, (0x0A, 0x0102)), "10 0001 0002 04 000A0102"),
        (ReadFile(4, 1, 2), "14 07 06 0004 0001 0002"),
        (WriteFile(4, 7, bytes.fromhex("06AF04BE100D")), "15 0D 06 0004 0007 0003 06AF04BE100D"),
        (ReadIdentification(), "2B 0E 01 00"),
    ],
)
def test_requests_are_written_as_in_the_examples_of_the_standard(request_: Request[object], sent: str) -> None:
    assert request_.to_bytes() == bytes.fromhex(sent)


@given(requests)
def test_a_request_is_read_back_as_it_was_written(request: Request[object]) -> None:
    assert request_from_bytes(request.to_bytes()) == request


@given(responses)
def test_a_response_is_read_back_as_it_was_written(response: Message) -> None:
    assert type(response).from_bytes(response.to_bytes()) == response
    assert response_from_bytes(response.to_bytes()) == response


@given(responses, units, st.binary(max_size=10))
def test_a_response_tells_its_length_as_soon_as_it_can_and_never_a_wrong_one(
    response: Message, unit: int, behind: bytes
) -> None:
    frame = Frame(unit, response.to_bytes()).to_bytes()
    assert response_length(frame + behind) == len(frame)
    told = {response_length(frame[:size]) for size in range(len(frame))}
    assert told <= {None, len(frame)}


@given(units, responses, st.data())
def test_a_frame_with_one_damaged_byte_is_refused(unit: int, response: Message, data: st.DataObject) -> None:
    frame = bytearray(Frame(unit, response.to_bytes()).to_bytes())
    if len(frame) > 256:
        return
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FrameError):
        Frame.from_bytes(bytes(frame))


@given(st.binary(max_size=300), requests)
def test_any_bytes_are_a_message_or_a_frame_error(data: bytes, request: Request[object]) -> None:
    for read in (Frame.from_bytes, request_from_bytes, response_from_bytes, response_length, request.answer):
        try:
            read(data)
        except FrameError:
            continue
    assert describe(data, request=True)
    assert describe(Frame(1, data).to_bytes(), request=False)


@given(st.integers(1, 125), st.integers(1, 125))
def test_a_read_is_answered_only_by_as_many_registers_as_were_asked_for(asked: int, came: int) -> None:
    request = ReadRegisters(Function.READ_HOLDING_REGISTERS, 0, asked)
    response = Registers(Function.READ_HOLDING_REGISTERS, (0,) * came).to_bytes()
    if asked == came:
        assert request.answer(response) == (0,) * came
    else:
        with pytest.raises(FrameError):
            request.answer(response)


@pytest.mark.parametrize(
    ("request_", "other"),
    [
        (WriteCoil(1, True), WriteCoil(2, True)),
        (WriteCoil(1, True), WriteCoil(1, False)),
        (WriteRegister(1, 2), WriteRegister(1, 3)),
        (Loopback(1), Loopback(2)),
        (WriteRegisters(1, (5, 6)), Written(Function.WRITE_REGISTERS, 2, 2)),
        (WriteRegisters(1, (5, 6)), Written(Function.WRITE_REGISTERS, 1, 1)),
        (WriteCoils(1, (True,)), Written(Function.WRITE_REGISTERS, 1, 1)),
        (WriteFile(1, 1, b"ab"), WriteFile(1, 2, b"ab")),
        (ReadRegisters(4, 1, 1), Registers(3, (1,))),
        (ReadFile(1, 1, 1), FileData(b"abcd")),
        (ReportServerId(), Registers(3, (1,))),
    ],
)
def test_an_answer_to_something_else_is_refused(request_: Request[object], other: Message) -> None:
    with pytest.raises(FrameError):
        request_.answer(other.to_bytes())


def test_a_refusal_says_in_words_what_its_code_means() -> None:
    assert str(Refusal(3, 2)) == "02 illegal address"
    assert str(Refusal(3, 0x63)) == "63 of its own"
    frame = Frame(7, Refusal(3, 2).to_bytes()).to_bytes()
    assert describe(frame, request=False) == "unit 7 refuses function 3: 02 illegal address"
