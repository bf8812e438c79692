"""Who a unit says it is: function 43/14 (§6.21) and function 17 (§6.13)."""

from dataclasses import dataclass, field

from drivers.virtual.modbus_frames import LONGEST_PDU
from drivers.virtual.modbus_functions import ExceptionCode, Function, Refusal

VENDOR, PRODUCT_CODE, REVISION, VENDOR_URL, PRODUCT_NAME, MODEL_NAME, APPLICATION_NAME = range(7)
FIRST_EXTENDED = 0x80

_READ_DEVICE_IDENTIFICATION = 14
_LAST_BASIC = REVISION
_LAST_REGULAR = FIRST_EXTENDED - 1
_ONE_OBJECT = 4
_LAST_OF_CATEGORY = {1: _LAST_BASIC, 2: _LAST_REGULAR, 3: 0xFF}
_INDIVIDUAL_ACCESS = 0x80
_HEADER = 7
_MORE_FOLLOWS = 0xFF
_RUNNING = 0xFF


@dataclass(frozen=True, slots=True)
class Identity:
    """Objects of function 43/14 by number, and what function 17 tells before and after whether the unit runs."""

    objects: dict[int, bytes] = field(default_factory=dict)
    server_id: bytes = b""
    additional: bytes = b""

    @property
    def conformity(self) -> int:
        """The highest category there is, each object being readable by itself too."""
        last = max(self.objects)
        return _INDIVIDUAL_ACCESS | next(level for level, end in _LAST_OF_CATEGORY.items() if last <= end)

    def report_server_id(self) -> bytes:
        """Answer function 17."""
        content = self.server_id + bytes([_RUNNING]) + self.additional
        return bytes([Function.REPORT_SERVER_ID, len(content)]) + content

    def read(self, pdu: bytes) -> bytes:
        """Answer function 43/14."""
        if len(pdu) < 2 or pdu[1] != _READ_DEVICE_IDENTIFICATION:
            raise Refusal(ExceptionCode.ILLEGAL_FUNCTION)
        if len(pdu) != 4 or not (pdu[2] in _LAST_OF_CATEGORY or pdu[2] == _ONE_OBJECT):
            raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        code, first = pdu[2:]
        if code == _ONE_OBJECT:
            if first not in self.objects:
                raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
            return self._answer(code, [first], 0)
        category = [number for number in sorted(self.objects) if number <= _LAST_OF_CATEGORY[code]]
        wanted = category[category.index(first) :] if first in category else category
        fitting = self._fitting(wanted)
        following = wanted[len(fitting)] if len(fitting) < len(wanted) else 0
        return self._answer(code, fitting, following)

    def _fitting(self, wanted: list[int]) -> list[int]:
        room = LONGEST_PDU - _HEADER
        for count, number in enumerate(wanted):
            room -= 2 + len(self.objects[number])
            if room < 0:
                return wanted[:count]
        return wanted

    def _answer(self, code: int, numbers: list[int], following: int) -> bytes:
        more = _MORE_FOLLOWS if following else 0
        header = bytes([code, self.conformity, more, following, len(numbers)])
        answer = bytes([Function.ENCAPSULATED, _READ_DEVICE_IDENTIFICATION]) + header
        for number in numbers:
            answer += bytes([number, len(self.objects[number])]) + self.objects[number]
        return answer
