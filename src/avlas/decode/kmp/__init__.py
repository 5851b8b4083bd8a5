"""KMP (Kamstrup Meter Protocol): frames, values and logs as meters speak them over their optical port.

Pure, as all of decode. ``decode`` reads and explains one frame; ``Exchange`` is the asking end of a line, fed
with bytes; requests are values that give their bytes; ``meaning`` and ``dated`` turn answers into registers and
values with the meter's own time. Any bytes give events or a DecodeError.
"""

from avlas.decode.kmp.answers import (
    Answer,
    ConfigurationAnswer,
    CutOffAnswer,
    EventAnswer,
    LogAnswer,
    OtherAnswer,
    RegisterAnswer,
    Row,
    SerialAnswer,
    TypeAnswer,
)
from avlas.decode.kmp.fields import Field
from avlas.decode.kmp.frame import BASE_MODULE, METER, TOP_MODULE, Frame
from avlas.decode.kmp.meaning import Meaning, dated, meaning
from avlas.decode.kmp.message import Message, decode
from avlas.decode.kmp.requests import (
    ClearEventStatus,
    GetConfiguration,
    GetCutOffState,
    GetEventStatus,
    GetLogIDPastAbs,
    GetLogIDPresent,
    GetLogLastEntryPastAbs,
    GetLogLastPresent,
    GetLogTimePast,
    GetLogTimePresent,
    GetRegister,
    GetSerialNo,
    GetType,
    OtherRequest,
    PutRegister,
    Request,
    SetClock,
    SetCutOffState,
    get_registers,
)
from avlas.decode.kmp.stream import Acknowledged, Answered, Damaged, Echo, Event, Exchange, Noise, Unexpected

__all__ = [
    "BASE_MODULE",
    "METER",
    "TOP_MODULE",
    "Acknowledged",
    "Answer",
    "Answered",
    "ClearEventStatus",
    "ConfigurationAnswer",
    "CutOffAnswer",
    "Damaged",
    "Echo",
    "Event",
    "EventAnswer",
    "Exchange",
    "Field",
    "Frame",
    "GetConfiguration",
    "GetCutOffState",
    "GetEventStatus",
    "GetLogIDPastAbs",
    "GetLogIDPresent",
    "GetLogLastEntryPastAbs",
    "GetLogLastPresent",
    "GetLogTimePast",
    "GetLogTimePresent",
    "GetRegister",
    "GetSerialNo",
    "GetType",
    "LogAnswer",
    "Meaning",
    "Message",
    "Noise",
    "OtherAnswer",
    "OtherRequest",
    "PutRegister",
    "RegisterAnswer",
    "Request",
    "Row",
    "SerialAnswer",
    "SetClock",
    "SetCutOffState",
    "TypeAnswer",
    "Unexpected",
    "dated",
    "decode",
    "get_registers",
    "meaning",
]
