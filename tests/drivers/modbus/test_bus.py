"""The bus: whatever comes back, and whenever, an answer is the right one or there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Kind
from drivers.base import DriverError, PortError, Priority
from drivers.modbus.bus import DISTURBED_MOST, STALL, Bus, Line
from drivers.modbus.frames import (
    Code,
    Frame,
    Function,
    Loopback,
    ReadIdentification,
    ReadRegisters,
    Refusal,
    Registers,
    Request,
    WriteRegister,
)
from tests.drivers.modbus.line import Answers, open_line, run

HOLDING = Function.READ_HOLDING_REGISTERS


def value(unit: int, address: int) -> int:
    """A register tells whose it is and where it stands, so that a wrong one is seen."""
    return unit << 12 | address


def right(frame: Frame) -> bytes:
    """What a good unit answers."""
    request = ReadRegisters.from_bytes(frame.pdu)
    values = tuple(value(frame.unit, request.address + n) for n in range(request.quantity))
    return Frame(frame.unit, Registers(request.function, values).to_bytes()).to_bytes()


def good(frame: Frame) -> Answers:
    return [(0.01, right(frame))]


async def ask(
    bus: Bus, unit: int, address: int = 5, quantity: int = 1, priority: Priority = Priority.JOB, tries: int = 3
) -> tuple[int, ...]:
    request = ReadRegisters(HOLDING, address, quantity)
    return await bus.exchange(unit, request, step="read", device=f"{unit}@x", priority=priority, tries=tries)


def in_turn(*each: Callable[[Frame], Answers]) -> Callable[[Frame], Answers]:
    """A peer that behaves differently each time, and well when it is through."""
    left: Iterator[Callable[[Frame], Answers]] = iter(each)

    def peer(frame: Frame) -> Answers:
        return next(left, good)(frame)

    return peer


def after(seconds: float) -> Callable[[Frame], Answers]:
    return lambda frame: [(seconds, right(frame))]


def silent(frame: Frame) -> Answers:
    return []


# -- what an answer is ------------------------------------------------------------------------------


def test_an_answer_is_delivered_as_soon_as_it_is_whole() -> None:
    async def work() -> float:
        bus, _ = open_line(good)
        await ask(bus, 1)
        began = asyncio.get_running_loop().time()
        assert await ask(bus, 1, 7, 2) == (value(1, 7), value(1, 8))
        return asyncio.get_running_loop().time() - began

    line = Line()
    assert run(work()) == pytest.approx(line.gap + 8 * line.character + 0.01)


def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    async def work() -> None:
        bus, _ = open_line(in_turn(after(0.25), after(0.15)))
        with pytest.raises(DriverError) as caught:
            await ask(bus, 1, address=1, tries=1)
        assert caught.value.kind is Kind.NO_REPLY
        assert await ask(bus, 1, address=2) == (value(1, 2),)

    run(work())


def test_the_answer_to_a_cancelled_request_is_never_taken_for_the_next_one() -> None:
    async def work() -> None:
        bus, script = open_line(after(0.15))
        asking = asyncio.create_task(ask(bus, 1, address=1))
        await script.asked.wait()
        asking.cancel()
        assert await ask(bus, 1, address=2) == (value(1, 2),)
        assert len(script.sent) == 2

    run(work())


def test_a_request_that_waits_for_its_turn_is_withdrawn_when_it_is_cancelled() -> None:
    async def work() -> None:
        bus, script = open_line(after(0.1))
        first = asyncio.create_task(ask(bus, 1))
        second = asyncio.create_task(ask(bus, 2))
        await asyncio.sleep(STALL + 0.01)
        second.cancel()
        await first
        await ask(bus, 3)
        assert [data[0] for _, data in script.sent] == [1, 3]

    run(work())


def test_while_a_late_answer_may_come_other_units_are_asked() -> None:
    async def work() -> None:
        bus, script = open_line(in_turn(after(0.5)))
        late = asyncio.create_task(ask(bus, 1))
        await asyncio.sleep(0)
        others = [await ask(bus, unit) for unit in (2, 3, 4)]
        assert others == [(value(unit, 5),) for unit in (2, 3, 4)]
        assert await late == (value(1, 5),)
        assert [data[0] for _, data in script.sent] == [1, 2, 3, 4, 1]
        assert script.sent[4][0] - script.sent[0][0] >= bus.line.timeout + bus.line.late

    run(work())


def test_another_units_late_answer_is_thrown_away_and_the_right_one_taken() -> None:
    async def work() -> None:
        bus, script = open_line(in_turn(after(0.25), after(0.1)))
        with suppress(DriverError):
            await ask(bus, 1, tries=1)
        assert await ask(bus, 2) == (value(2, 5),)  # while it waits, unit 1 answers at last
        assert len(script.sent) == 2

    run(work())


def test_a_byte_of_noise_in_front_of_an_answer_is_overlooked() -> None:
    async def work() -> None:
        bus, _ = open_line(lambda frame: [(0.01, b"\x00"), (0.011, right(frame))])
        assert await ask(bus, 1, tries=1) == (value(1, 5),)

    run(work())


def test_an_answer_that_is_not_understood_silences_the_line_and_is_asked_for_again() -> None:
    async def work() -> None:
        bus, script = open_line(in_turn(lambda frame: [(0.01, b"garbage"), (0.24, b"more of it")]))
        assert await ask(bus, 1) == (value(1, 5),)
        assert script.sent[1][0] - script.sent[0][0] >= 0.24 + STALL

    run(work())


def test_an_answer_that_stays_unreadable_is_shown() -> None:
    async def work() -> DriverError:
        bus, _ = open_line(lambda frame: [(0.01, right(frame)[:-1] + b"?")])
        with pytest.raises(DriverError) as caught:
            await ask(bus, 1)
        return caught.value

    error = run(work())
    assert error.kind is Kind.BAD_FRAME
    assert "01 03 02 10 05" in str(error)
    assert "the CRC is wrong" in str(error)


def test_a_refusal_is_an_answer_and_not_repeated() -> None:
    async def work() -> None:
        bus, script = open_line(lambda frame: [(0.01, Frame(1, Refusal(3, 2).to_bytes()).to_bytes())])
        with pytest.raises(DriverError) as caught:
            await ask(bus, 1)
        assert (caught.value.kind, caught.value.fields["code"]) == (Kind.REFUSED, "02 illegal address")
        assert len(script.sent) == 1

    run(work())


def test_a_busy_unit_is_asked_again() -> None:
    def busy(frame: Frame) -> Answers:
        return [(0.01, Frame(1, Refusal(3, Code.BUSY).to_bytes()).to_bytes())]

    async def work() -> None:
        bus, _ = open_line(in_turn(busy, busy))
        assert await ask(bus, 1) == (value(1, 5),)

    run(work())


def test_a_unit_that_changes_its_number_may_answer_from_the_new_one() -> None:
    async def work() -> None:
        bus, _ = open_line(lambda frame: [(0.01, Frame(12, frame.pdu).to_bytes())])
        request = WriteRegister(1, 12)
        await bus.exchange(247, request, step="s", device="d", priority=Priority.JOB, tries=1, also_from=12)
        with pytest.raises(DriverError):
            await bus.exchange(247, request, step="s", device="d", priority=Priority.JOB, tries=1)

    run(work())


# -- the line -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("baud", "gap"), [(9600, 3.5 * 11 / 9600), (19200, 3.5 * 11 / 19200), (38400, 0.00175)])
def test_between_frames_the_line_is_silent_as_long_as_the_standard_says(baud: int, gap: float) -> None:
    async def work() -> list[float]:
        bus, script = open_line(good, Line(baud=baud))
        await asyncio.gather(*(ask(bus, unit) for unit in range(1, 6)))
        each = 8 * bus.line.character + 0.01
        return [b - a - each for (a, _), (b, _) in zip(script.sent, script.sent[1:], strict=False)]

    assert run(work()) == pytest.approx([gap] * 4)


def test_a_person_goes_before_a_job_and_a_job_before_monitoring() -> None:
    async def work() -> list[int]:
        bus, script = open_line(good)
        order = [Priority.MONITORING, Priority.JOB, Priority.INTERACTIVE, Priority.JOB]
        await asyncio.gather(*(ask(bus, unit, priority=priority) for unit, priority in enumerate(order, 1)))
        return [data[0] for _, data in script.sent]

    assert run(work()) == [3, 2, 4, 1]


def test_an_echo_is_read_back_and_compared() -> None:
    def echoing(frame: Frame) -> Answers:
        return [(0.0, frame.to_bytes()), *good(frame)]

    def colliding(frame: Frame) -> Answers:
        return [(0.0, b"\xff" + frame.to_bytes()[1:]), *good(frame)]

    async def work() -> None:
        bus, script = open_line(in_turn(colliding, echoing, echoing), Line(echo=True))
        assert await ask(bus, 1) == (value(1, 5),)
        assert len(script.sent) == 2

    run(work())


def test_a_missing_echo_is_a_fault_of_the_port() -> None:
    async def work() -> None:
        bus, _ = open_line(silent, Line(echo=True))
        others = [asyncio.create_task(ask(bus, unit)) for unit in (1, 2)]
        for each in await asyncio.gather(*others, return_exceptions=True):
            assert isinstance(each, PortError)
            assert each.kind is Kind.NOT_AN_INTERFACE
        assert "echo=1" in str(bus.lost.result())

    run(work())


def test_a_port_that_hears_itself_says_what_to_do() -> None:
    async def work() -> None:
        bus, _ = open_line(lambda frame: [(0.0, frame.to_bytes()), *good(frame)])
        with pytest.raises(DriverError, match="echo=1"):
            await ask(bus, 1)

    run(work())


def test_a_line_on_which_somebody_always_talks_is_given_up() -> None:
    async def work() -> PortError:
        bus, _ = open_line(good)
        asking = asyncio.create_task(ask(bus, 1))
        for _ in range(int(1.5 * DISTURBED_MOST / STALL)):
            bus.data_received(b"\x01\x03")
            await asyncio.sleep(STALL / 2)
            bus.data_received(b"\x01\x03")
            await asyncio.sleep(STALL / 2)
        with pytest.raises(PortError) as caught:
            await asking
        return caught.value

    assert run(work()).kind is Kind.PORT_BUSY


def test_a_stray_byte_after_a_long_rest_is_no_reason_to_give_the_line_up() -> None:
    async def work() -> None:
        bus, _ = open_line(lambda frame: [*good(frame), (0.0101, b"\x00")])
        await ask(bus, 1)
        await asyncio.sleep(2 * DISTURBED_MOST)
        await asyncio.gather(ask(bus, 1), ask(bus, 2), ask(bus, 3))

    run(work())


def test_one_who_babbles_in_answer_is_not_listened_to_for_ever() -> None:
    async def work() -> None:
        bus, _ = open_line(lambda frame: [(0.01 * n, b"\x01") for n in range(300)])
        with pytest.raises(DriverError):
            await ask(bus, 1, tries=1)

    run(work())


@pytest.mark.parametrize("closing", [True, False])
def test_when_the_port_goes_everybody_is_told(closing: bool) -> None:
    async def work() -> None:
        bus, script = open_line(silent)
        asking = [asyncio.create_task(ask(bus, unit)) for unit in (1, 2)]
        await script.asked.wait()
        if closing:
            await bus.close()
        else:
            bus.connection_lost("it was unplugged")
        for each in await asyncio.gather(*asking, return_exceptions=True):
            assert isinstance(each, PortError)
            assert each.kind is Kind.PORT_LOST
        assert bus.lost.done() is not closing
        with pytest.raises(PortError):
            await ask(bus, 1)
        await bus.close()
        assert script.closed

    run(work())


def test_the_last_frames_of_a_unit_are_kept_in_words() -> None:
    async def work() -> list[str]:
        bus, _ = open_line(good)
        for _ in range(20):
            await ask(bus, 1)
        await ask(bus, 2)
        return bus.frames(1)

    lines = run(work())
    assert len(lines) == 24
    assert "-> unit 1: read registers, function 3, address 5, quantity 1  01 03 00 05 00 01" in lines[-2]
    assert "<- unit 1: registers, function 3, values 4101  01 03 02 10 05" in lines[-1]


# -- anything may happen ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """How one answer comes: when (share of the time in which it may come), in which pieces, with what round it."""

    kind: str
    when: float
    before: bytes
    behind: bytes
    cut: int
    pieces: int

    def __call__(self, frame: Frame) -> Answers:
        line = Line()
        answer = right(frame)
        delay = self.when * (line.timeout + line.late - 2 * STALL)
        match self.kind:
            case "good":
                delay = min(delay, 0.1)
            case "silent":
                return []
            case "cut":
                answer = answer[: self.cut % len(answer)]
            case "damaged":
                at = self.cut % len(answer)
                answer = answer[:at] + bytes([answer[at] ^ 0x55]) + answer[at + 1 :]
            case "twice":
                answer += answer
            case "noisy":
                answer = self.before + answer + self.behind
            case "noise":
                answer = self.before + self.behind
            case "echo":
                answer = frame.to_bytes() + answer
            case "refused":
                answer = Frame(frame.unit, Refusal(frame.pdu[0], 2).to_bytes()).to_bytes()
            case "another":
                delay = min(delay, 0.1)  # later than that, nobody could tell it from an answer
                answer = right(Frame(3 - frame.unit, frame.pdu))
        size = max(len(answer) // self.pieces, 1)
        pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
        return [(delay + 0.001 * number, piece) for number, piece in enumerate(pieces)]


KINDS = ("good", "late", "silent", "cut", "damaged", "twice", "noisy", "noise", "echo", "refused", "another")
faults = st.builds(
    Fault,
    st.sampled_from(KINDS),
    st.floats(0, 1),
    st.binary(max_size=8),
    st.binary(max_size=8),
    st.integers(0, 100),
    st.integers(1, 10),
)


@dataclass(frozen=True)
class Question:
    unit: int
    address: int
    quantity: int
    tries: int
    cancelled_after: float | None


questions = st.builds(
    Question,
    st.integers(1, 2),
    st.integers(0, 200),
    st.integers(1, 3),
    st.integers(1, 3),
    st.none() | st.floats(0, 1.5),
)


@given(st.lists(questions, min_size=2, max_size=6), st.lists(faults, max_size=12), st.booleans())
def test_whatever_comes_back_a_value_is_the_right_one_or_there_is_none(
    asked: list[Question], script: list[Fault], together: bool
) -> None:
    async def put(bus: Bus, question: Question) -> None:
        expected = tuple(value(question.unit, question.address + n) for n in range(question.quantity))
        with suppress(DriverError, TimeoutError):
            async with asyncio.timeout(question.cancelled_after):
                got = await ask(bus, question.unit, question.address, question.quantity, tries=question.tries)
                assert got == expected

    async def work() -> None:
        bus, _ = open_line(in_turn(*script))
        if together:
            await asyncio.gather(*(put(bus, question) for question in asked))
        else:
            for question in asked:
                await put(bus, question)
        for _ in script:
            with suppress(DriverError):
                await ask(bus, 1)
        assert await ask(bus, 1, 100) == (value(1, 100),)  # and it has recovered
        await bus.close()

    run(work())


@given(
    st.lists(st.binary(max_size=30), max_size=8),
    st.sampled_from([Loopback(7), ReadIdentification(), WriteRegister(1, 2)]),
)
def test_any_bytes_are_survived(chunks: list[bytes], request: Request[object]) -> None:
    async def work() -> None:
        bus, _ = open_line(lambda frame: [(0.01 * n, chunk) for n, chunk in enumerate(chunks)])
        with suppress(DriverError):
            await bus.exchange(1, request, step="s", device="d", priority=Priority.JOB)
        await bus.close()

    run(work())
