"""Exchanges over a channel of our own: late answers, doubled answers, turns, loss and cancellation."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Kind
from drivers.base import DriverError, PortError, Priority
from drivers.lon import transactions as t
from drivers.lon.interface import NetworkInterface
from drivers.lon.packets import (
    ApplicationPdu,
    Broadcast,
    NeuronId,
    Packet,
    SessionPdu,
    SubnetNode,
    TransportPdu,
)
from drivers.lon.transactions import (
    Answer,
    Exchange,
    Numbers,
    Patience,
    Place,
    Service,
    Transactions,
    Window,
    answers_to,
)
from drivers.transport import Transport

from .simulation import in_no_time

ME = SubnetNode(1, 126)
STATUS = b"\x51"
STATUS_OK = b"\x31" + bytes(15)


class Channel(NetworkInterface):
    """Remembers what is sent and answers as it is told."""

    baud = 0

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Packet] = []
        self.raw: list[bytes] = []
        self.on_send: Callable[[Packet], None] = lambda packet: None
        self.takes = True

    def data_received(self, data: bytes) -> None: ...

    async def start(self, transport: Transport) -> None: ...

    async def send(self, packet: bytes, *, priority: bool = False) -> bool:
        self.check()
        await asyncio.sleep(0.001)
        self.raw.append(packet)
        self.sent.append(Packet.from_bytes(packet))
        self.on_send(self.sent[-1])
        return self.takes

    def answer(
        self, packet: Packet, apdu: bytes = STATUS_OK, after: float = 0.02, *, source: SubnetNode | None = None
    ) -> None:
        """The device that was asked answers."""
        assert isinstance(packet.pdu, SessionPdu | TransportPdu)
        at_address = packet.destination if isinstance(packet.destination, SubnetNode) else SubnetNode(0, 0)
        pdu = type(packet.pdu)(2, packet.pdu.number, apdu)
        back = Packet(source or at_address, ME, pdu, packet.domain)
        asyncio.get_running_loop().call_later(after, self.hear, back)

    def hear(self, packet: Packet) -> None:
        assert self.listener is not None
        self.listener.packet_received(packet.to_bytes())


def device(number: int) -> str:
    return f"00A1B2C3{number:04X}"


def to(number: int, apdu: bytes = STATUS, **changes: object) -> Exchange:
    place = Place(NeuronId(bytes.fromhex(device(number))))
    return Exchange("query status", device(number), place, apdu, **changes)  # type: ignore[arg-type]


def number_of(packet: Packet) -> int:
    assert isinstance(packet.pdu, SessionPdu | TransportPdu)
    return packet.pdu.number


@in_no_time
async def test_an_exchange_brings_the_answer() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    channel.on_send = channel.answer
    answer = await work.exchange(to(1), Priority.JOB)
    assert (answer.apdu, answer.tries, answer.source) == (STATUS_OK, 1, SubnetNode(0, 0))
    assert answer.seconds == pytest.approx(0.02)
    assert channel.sent[0].backlog == 1
    await work.close()


@in_no_time
async def test_an_acknowledged_message_is_answered_by_an_acknowledgement_only() -> None:
    channel = Channel()
    work = Transactions(channel, ME)

    def acknowledge(packet: Packet) -> None:
        response = Packet(SubnetNode(0, 0), ME, SessionPdu(2, number_of(packet), b"\x30"))
        asyncio.get_running_loop().call_later(0.01, channel.hear, response)
        channel.answer(packet, b"", after=0.03)

    channel.on_send = acknowledge
    answer = await work.exchange(to(1, b"\x70", service=Service.ACKNOWLEDGED), Priority.JOB)
    assert isinstance(channel.sent[0].pdu, TransportPdu)
    assert answer.seconds == pytest.approx(0.03)
    await work.close()


@in_no_time
async def test_a_retry_is_the_identical_packet_and_the_number_of_tries_is_told() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    channel.on_send = lambda packet: channel.answer(packet) if len(channel.sent) == 3 else None
    assert (await work.exchange(to(1), Priority.JOB)).tries == 3
    assert len(set(channel.raw)) == 1
    await work.close()


@in_no_time
async def test_silence_is_no_reply_with_step_and_tries() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    with pytest.raises(DriverError) as failure:
        await work.exchange(to(1), Priority.JOB)
    assert failure.value.kind is Kind.NO_REPLY
    assert str(failure.value) == "no answer at query status after 7 tries: check its power and its wiring"
    assert failure.value.fields["device"] == device(1)
    assert len(channel.sent) == t.TRIES
    await work.close()


@in_no_time
async def test_a_late_answer_is_never_taken_for_the_answer_of_another_device() -> None:
    """Devices that are not configured all answer from 0/0: the number alone tells them apart."""
    channel = Channel()
    work = Transactions(channel, ME)
    truth: dict[bytes, bytes] = {}

    def slow_and_doubled(packet: Packet) -> None:
        assert isinstance(packet.destination, NeuronId)
        answer = b"\x31" + packet.destination.neuron_id + bytes(9)
        truth[packet.destination.neuron_id] = answer
        late = 0.9 if packet.destination.neuron_id[-1] % 3 == 0 else 0.02
        channel.answer(packet, answer, after=late)
        channel.answer(packet, answer, after=late + 0.03)

    channel.on_send = slow_and_doubled

    async def ask(number: int) -> None:
        exchange = to(number)
        try:
            answer = await work.exchange(exchange, Priority.JOB)
        except DriverError:
            return
        assert answer.apdu[1:7] == bytes.fromhex(exchange.device)

    await asyncio.gather(*(ask(number) for number in range(150)))
    await work.close()


@in_no_time
async def test_whoever_waits_for_a_turn_when_it_is_closed_hears_that_the_port_is_gone() -> None:
    work = Transactions(Channel(), ME)
    first, second = (asyncio.create_task(work.exchange(to(1), Priority.JOB)) for _ in range(2))
    await asyncio.sleep(0.001)
    await work.close()
    done = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert isinstance(done[1], PortError)
    with pytest.raises(PortError, match="closed"):
        await work.exchange(to(1), Priority.JOB)


@in_no_time
async def test_an_answer_that_cannot_belong_to_the_request_is_not_taken() -> None:
    channel = Channel()
    work = Transactions(channel, ME)

    def wrong_then_right(packet: Packet) -> None:
        channel.answer(packet, b"\x23", after=0.01)
        channel.answer(packet, STATUS_OK, after=0.02)

    channel.on_send = wrong_then_right
    assert (await work.exchange(to(1), Priority.JOB)).apdu == STATUS_OK
    await work.close()


@in_no_time
async def test_answers_for_others_from_others_or_in_other_domains_are_not_taken() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    place = Place(SubnetNode(1, 10), b"\x55")

    def noise(packet: Packet) -> None:
        pdu = SessionPdu(2, number_of(packet), b"\x31" + b"\xee" * 15)
        channel.hear(Packet(SubnetNode(1, 10), SubnetNode(1, 125), pdu, b"\x55"))
        channel.hear(Packet(SubnetNode(1, 11), ME, pdu, b"\x55"))
        channel.hear(Packet(SubnetNode(1, 10), ME, pdu, b"\x56"))
        channel.hear(Packet(SubnetNode(1, 10), ME, SessionPdu(2, number_of(packet) ^ 1, pdu.apdu), b"\x55"))
        channel.hear(Packet(SubnetNode(1, 10), ME, SessionPdu(0, number_of(packet), b"\x51"), b"\x55"))
        channel.answer(packet)

    channel.on_send = noise
    answer = await work.exchange(Exchange("check", device(1), place, STATUS), Priority.JOB)
    assert answer.apdu == STATUS_OK
    await work.close()


@in_no_time
async def test_in_the_domain_of_length_zero_a_logical_address_must_answer_itself() -> None:
    channel = Channel()
    work = Transactions(channel, ME)

    def both(packet: Packet) -> None:
        channel.answer(packet, b"\x31" + b"\xee" * 15, source=SubnetNode(0, 0), after=0.01)
        channel.answer(packet)

    channel.on_send = both
    place = Place(SubnetNode(1, 10))
    assert (await work.exchange(Exchange("check", device(1), place, STATUS), Priority.JOB)).apdu == STATUS_OK
    await work.close()


@in_no_time
async def test_open_exchanges_by_neuron_id_never_share_a_number() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    open_numbers: set[int] = set()

    def answer(packet: Packet) -> None:
        assert number_of(packet) not in open_numbers
        open_numbers.add(number_of(packet))
        loop = asyncio.get_running_loop()
        loop.call_later(0.0499, open_numbers.discard, number_of(packet))
        channel.answer(packet, after=0.05)

    channel.on_send = answer
    await asyncio.gather(*(work.exchange(to(number), Priority.JOB) for number in range(100)))
    await work.close()


@in_no_time
async def test_two_questions_to_one_device_go_one_after_the_other_under_different_numbers() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    channel.on_send = lambda packet: channel.answer(packet, after=0.05)
    at_address = Exchange("check", device(1), Place(SubnetNode(1, 10), b"\x55"), STATUS)
    begun = asyncio.get_running_loop().time()
    await asyncio.gather(*(work.exchange(each, Priority.JOB) for each in (to(1), at_address, to(1))))
    assert asyncio.get_running_loop().time() - begun > 0.15
    by_uid = [number_of(packet) for packet in channel.sent if isinstance(packet.destination, NeuronId)]
    assert by_uid[0] != by_uid[1]
    await work.close()


@in_no_time
async def test_a_person_overtakes_a_job_and_a_job_overtakes_monitoring() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    channel.on_send = lambda packet: channel.answer(packet, after=0.05)
    order: list[int] = []

    async def ask(number: int, priority: Priority) -> None:
        await work.exchange(to(number), priority)
        order.append(number)

    tasks = [asyncio.create_task(ask(number, Priority.MONITORING)) for number in range(40)]
    tasks += [asyncio.create_task(ask(100 + number, Priority.JOB)) for number in range(20)]
    await asyncio.sleep(0.01)
    tasks.append(asyncio.create_task(ask(200, Priority.INTERACTIVE)))
    await asyncio.gather(*tasks)
    assert order.index(200) <= t.WINDOW_FIRST + t.RESERVE
    waiting = [number for number in order if number >= 100 or number >= t.WINDOW_FIRST]
    last_job = max(waiting.index(number) for number in waiting if 100 <= number < 200)
    first_monitoring = min(waiting.index(number) for number in waiting if number < 100)
    assert last_job < first_monitoring + t.WINDOW_MOST
    await work.close()


@in_no_time
async def test_no_more_exchanges_are_open_than_the_window_allows() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    now = most = 0

    def answer(packet: Packet) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)

        def end() -> None:
            nonlocal now
            now -= 1

        asyncio.get_running_loop().call_later(0.0199, end)
        channel.answer(packet)

    channel.on_send = answer
    await asyncio.gather(*(work.exchange(to(number), Priority.JOB) for number in range(200)))
    assert t.WINDOW_FIRST <= most <= t.WINDOW_MOST
    await work.close()


@in_no_time
async def test_dead_devices_do_not_keep_the_living_ones_waiting() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    dead = {bytes.fromhex(device(number)) for number in range(13)}

    def answer(packet: Packet) -> None:
        assert isinstance(packet.destination, NeuronId)
        if packet.destination.neuron_id not in dead:
            channel.answer(packet)

    channel.on_send = answer
    tasks = [asyncio.create_task(work.exchange(to(number), Priority.JOB)) for number in range(13)]
    await asyncio.sleep(0)
    begun = asyncio.get_running_loop().time()
    await asyncio.gather(*(work.exchange(to(number), Priority.JOB) for number in range(20, 30)))
    assert asyncio.get_running_loop().time() - begun < 2.0
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, DriverError) for result in results)
    await work.close()


@in_no_time
async def test_an_exchange_that_has_begun_is_finished_although_its_caller_is_cancelled() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    channel.on_send = lambda packet: channel.answer(packet) if len(channel.sent) == 2 else None
    caller = asyncio.create_task(work.exchange(to(1), Priority.JOB))
    await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await asyncio.sleep(2)
    assert len(channel.sent) == 2
    channel.on_send = channel.answer
    assert (await work.exchange(to(1), Priority.JOB)).tries == 1
    await work.close()


@in_no_time
async def test_an_exchange_that_waits_for_its_turn_is_withdrawn_when_its_caller_is_cancelled() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    channel.on_send = lambda packet: channel.answer(packet, after=0.05)
    tasks = [asyncio.create_task(work.exchange(to(number), Priority.JOB)) for number in range(40)]
    await asyncio.sleep(0.01)
    for task in tasks[20:]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(channel.sent) == 20
    await work.exchange(to(99), Priority.JOB)
    await work.close()


@in_no_time
async def test_a_lost_interface_ends_all_exchanges() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    tasks = [asyncio.create_task(work.exchange(to(number), Priority.JOB)) for number in range(40)]
    await asyncio.sleep(0.01)
    channel.fail("it was unplugged")
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {PortError}
    assert len({id(result) for result in results}) == len(results)
    await work.close()


@in_no_time
async def test_closing_ends_all_exchanges() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    tasks = [asyncio.create_task(work.exchange(to(number), Priority.JOB)) for number in range(40)]
    await asyncio.sleep(0.01)
    await channel.close()
    await work.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {PortError}


@in_no_time
async def test_everybody_who_answers_a_broadcast_is_collected_until_it_is_quiet() -> None:
    channel = Channel()
    work = Transactions(channel, ME)

    def crowd(packet: Packet) -> None:
        for number in range(5):
            channel.answer(packet, b"\x21" + bytes([number]) * 14, after=0.1 * number)

    channel.on_send = crowd
    begun = asyncio.get_running_loop().time()
    answers = await work.ask_all(Place(Broadcast()), b"\x61\x01", backlog=63, quiet=0.3, limit=5)
    assert [answer[1] for answer, _ in answers] == [0, 1, 2, 3, 4]
    assert asyncio.get_running_loop().time() - begun == pytest.approx(0.7, abs=0.01)
    assert channel.sent[0].backlog == 63
    await work.close()


@in_no_time
async def test_rounds_of_a_broadcast_use_different_numbers_so_that_no_stored_answer_comes() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    for _ in range(30):
        await work.ask_all(Place(Broadcast()), b"\x61\x01", backlog=8, quiet=0.5, limit=5)
    numbers = [number_of(packet) for packet in channel.sent]
    assert all(one != next_one for one, next_one in pairwise(numbers))
    await work.close()


@in_no_time
async def test_messages_that_answer_nothing_are_passed_on() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    heard: list[Packet] = []
    work.on_message = heard.append
    pin = Packet(SubnetNode(0, 0), Broadcast(), ApplicationPdu(b"\x7f" + bytes(14)))
    channel.hear(pin)
    assert heard == [pin]
    work.packet_received(b"\xff" * 20)
    await work.close()


@in_no_time
async def test_the_last_frames_of_a_device_are_kept_in_words() -> None:
    channel = Channel()
    work = Transactions(channel, ME)
    channel.on_send = channel.answer
    for _ in range(40):
        await work.exchange(to(1), Priority.JOB)
    lines = work.frames(device(1))
    assert len(lines) == t.FRAMES_KEPT
    assert re.search(rf"-> request \d+: query status, 1/126 to {device(1)}, domain -  01 ", lines[-2])
    assert re.search(r"<- response \d+: done, 0/0 to 1/126, domain -  00 ", lines[-1])
    assert work.frames(device(2)) == []
    await work.close()


def test_a_number_whose_exchange_was_repeated_stays_out_of_use_until_stray_answers_are_over() -> None:
    now = 0.0
    numbers = Numbers(lambda: now, shuffle=lambda _: None)
    first = NeuronId(bytes(6))
    taken = numbers.take(first)
    assert taken == 1
    numbers.give_back(taken, first, stray_until=5.0)
    others = [numbers.take(NeuronId(bytes([i]) * 6)) for i in range(1, 15)]
    assert sorted(number for number in others if number) == list(range(2, 16))
    assert numbers.take(NeuronId(b"\xff" * 6)) is None
    assert numbers.next_free() == 5.0
    now = 5.0
    assert numbers.take(NeuronId(b"\xff" * 6)) == 1


def test_a_number_is_not_used_twice_in_a_row_for_one_device_while_it_may_remember_it() -> None:
    now = 0.0
    numbers = Numbers(lambda: now, shuffle=lambda _: None)
    one = NeuronId(bytes(6))
    for i in range(2, 16):
        assert numbers.take(NeuronId(bytes([i]) * 6)) is not None
    last = numbers.take(one)
    assert last == 15
    numbers.give_back(last, one, stray_until=0.0)
    assert numbers.take(one) is None
    assert numbers.take(NeuronId(b"\xaa" * 6)) == 15
    numbers.give_back(15, NeuronId(b"\xaa" * 6), stray_until=0.0)
    now = t.NUMBER_MEMORY
    assert numbers.take(one) == 15


def test_the_first_number_is_a_random_one() -> None:
    assert len({Numbers(lambda: 0.0).take(Broadcast()) for _ in range(200)}) > 5


@given(st.lists(st.floats(0.001, 2.0), max_size=50), st.integers(0, 7), st.integers(0, 15), st.booleans())
def test_patience_is_never_shorter_than_a_device_needs_nor_endless(
    measured: list[float], retry: int, open_exchanges: int, writes: bool
) -> None:
    patience = Patience(writes=writes)
    for seconds in measured:
        patience.measured(seconds)
    assert t.WAIT_LEAST[writes] <= patience.seconds(retry, open_exchanges) <= t.WAIT_MOST
    assert patience.seconds(retry + 1, open_exchanges) >= patience.seconds(retry, open_exchanges)


def test_the_window_grows_with_success_and_shrinks_only_when_most_is_lost() -> None:
    window = Window()
    for _ in range(500):
        window.answered()
    assert window.size == t.WINDOW_MOST
    for number in range(500):
        window.answered() if number % 8 else window.unanswered(dead=False)
    assert window.size == t.WINDOW_MOST
    for _ in range(200):
        window.unanswered(dead=True)
    assert window.size == t.WINDOW_MOST
    for _ in range(200):
        window.unanswered(dead=False)
    assert window.size == t.WINDOW_LEAST


def test_an_answer_code_belongs_to_its_request() -> None:
    assert answers_to(0x63, 0x23)
    assert answers_to(0x63, 0x03)
    assert not answers_to(0x63, 0x2C)
    assert answers_to(0x51, 0x31)
    assert answers_to(0x51, 0x11)
    assert not answers_to(0x51, 0x32)
    assert answers_to(0x81, 0xC1)
    assert isinstance(Answer(b"", ME, 1, 0.0), Answer)
