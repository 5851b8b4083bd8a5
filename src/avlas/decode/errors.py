"""Everything that can go wrong while bytes become values.

    DecodeError            any telegram that could not be turned into values
    ├── FrameError         the frame itself is damaged: length, CRC, check sum, stop byte
    ├── HeaderError        a layer's header is cut short or contradicts itself
    ├── NoKey              the content is encrypted and no key was given
    ├── WrongKey           a key was given, but what comes out is not a meter's plain text
    ├── RecordError        the application data cannot be walked record by record
    ├── UnknownLayout      a compact frame whose layout has not been learnt yet
    ├── ApplicationError   the meter itself answers that it cannot do what was asked
    └── Unsupported        a method, layer or payload this decoder does not know

The four questions a person asks ("is a key missing, is the key wrong, is the telegram damaged, is
something unknown?") are answered by the class alone; the message says where and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from avlas.decode.types import Header


class DecodeError(Exception):
    """A telegram that could not be decoded.

    ``kind`` is the stable name used in JSON, counters and pages; ``header`` holds what could be read
    in clear before it went wrong (None when not even an address was found).
    """

    kind: ClassVar[str] = "decode_error"

    def __init__(self, message: str, header: Header | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.header = header


class FrameError(DecodeError):
    """The frame is damaged: too short, wrong length, CRC, check sum or stop byte."""

    kind = "frame_error"


class HeaderError(DecodeError):
    """A layer's header is cut short or contradicts itself."""

    kind = "header_error"


class NoKey(DecodeError):  # noqa: N818 - the state's name, as pages and counters show it
    """The content is encrypted and no key was given."""

    kind = "no_key"


class WrongKey(DecodeError):  # noqa: N818
    """The key given does not fit: check pattern, CRC or MAC of the plain text is wrong."""

    kind = "wrong_key"


class RecordError(DecodeError):
    """The application data cannot be walked record by record."""

    kind = "record_error"


class UnknownLayout(DecodeError):  # noqa: N818
    """A compact frame whose format signature has not been learnt yet."""

    kind = "unknown_layout"


class ApplicationError(DecodeError):
    """The meter refuses: its answer is an error report (CI 6E, 6F, 70) instead of values."""

    kind = "application_error"


class Unsupported(DecodeError):  # noqa: N818
    """A security mode, layer or payload that this decoder does not know."""

    kind = "unsupported"
