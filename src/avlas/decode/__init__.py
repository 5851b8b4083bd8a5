"""Bytes become values. Pure: no Django, no I/O, no clock, no logging.

``telegram`` decodes one telegram and explains every byte; ``header`` reads what stands in clear. All errors
are DecodeErrors (see ``errors``), all answers the frozen values of ``types``.
"""

from avlas.decode.afl import Assembler
from avlas.decode.compact import Layouts
from avlas.decode.errors import (
    ApplicationError,
    DecodeError,
    FrameError,
    HeaderError,
    NoKey,
    RecordError,
    UnknownLayout,
    Unsupported,
    WrongKey,
)
from avlas.decode.layers import header
from avlas.decode.single import telegram
from avlas.decode.types import Address, Dated, Header, InfoCode, Layout, Record, Span, Telegram

__all__ = [
    "Address",
    "ApplicationError",
    "Assembler",
    "Dated",
    "DecodeError",
    "FrameError",
    "Header",
    "HeaderError",
    "InfoCode",
    "Layout",
    "Layouts",
    "NoKey",
    "Record",
    "RecordError",
    "Span",
    "Telegram",
    "UnknownLayout",
    "Unsupported",
    "WrongKey",
    "header",
    "telegram",
]
