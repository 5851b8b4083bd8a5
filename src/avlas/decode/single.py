"""One telegram, decoded and explained: for people, for tests and for whatever the fast path leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avlas.decode import compact, fixed, payloads, profiles, records, tpl
from avlas.decode.errors import (
    ApplicationError,
    DecodeError,
    FrameError,
    HeaderError,
    RecordError,
    UnknownLayout,
    Unsupported,
)
from avlas.decode.families import interpret, named_records
from avlas.decode.layers import Reading
from avlas.decode.tpl import Content
from avlas.decode.types import Header, Layout, Record, Span, Telegram

if TYPE_CHECKING:
    from avlas.decode.compact import Layouts

_PLAIN_FULL, _PLAIN_COMPACT = 0x78, 0x79


def telegram(
    frame: bytes,
    key: bytes | None = None,
    *,
    format: str = "auto",  # noqa: A002 - the contract's word
    layouts: Layouts | None = None,
    accept_clear: bool = False,
) -> Telegram:
    """Decode one telegram.

    ``frame``: the bytes as received. ``format`` says what they are: "a" (L-field first, no CRCs), "a-crc",
    "b-crc", "wired" (68 ... 16), "assembled" (from afl.Assembler), or "auto", which judges by the L-field
    against the length (never by a CRC that happens to fit) and decodes what is there when the L-field lies.
    ``key``: 16 bytes of AES-128, 8 of DES. ``layouts``: for compact frames (default: the shipped ones; nothing is
    learnt here, see ``Layouts.learn``). ``accept_clear``: content that stands in clear under a header which
    announces encryption is accepted when no key is given. Times are naive, the meter's own clock.

    Raises DecodeError and nothing else, with the header wherever an address was readable: FrameError,
    HeaderError, NoKey, WrongKey, RecordError, UnknownLayout, ApplicationError, Unsupported.
    """
    reading = Reading()
    store = layouts if layouts is not None else compact.shipped_layouts()
    try:
        reading.open(bytes(frame), format)
        reading.open_content(
            key, accept_clear=accept_clear, plausible=lambda content: _plausible(content, reading, store)
        )
        content = _Application(reading, store)
    except DecodeError as error:
        if error.header is None:
            error.header = reading.header()
        raise
    header = reading.header()
    assert header is not None
    found = named_records(header, (*content.records, *payloads.unfold(header, content.records)))
    meaning = interpret(header, found)
    who = header.address or header.link_address
    return Telegram(
        header=header,
        plain=bytes(reading.plain),
        records=found,
        spans=tuple(sorted(reading.spans, key=_start)),
        registers=meaning.registers,
        sent=meaning.sent,
        dated=tuple(meaning.dated),
        info_code=meaning.info_code,
        info_codes=tuple(meaning.info_codes),
        meter_time=meaning.meter_time,
        manufacturer=who.manufacturer if who else "",
        medium=meaning.medium,
        model=meaning.model,
        family=meaning.family,
        signature=content.signature,
        more_follows=content.more_follows,
    )


def _start(span: Span) -> int:
    return span.start


def _plausible(content: bytes, reading: Reading, layouts: Layouts) -> bool:
    """Does a payload whose CRC is wrong still look like a meter's (damaged), or like noise (wrong key)?"""
    if content[:1] == bytes([_PLAIN_COMPACT]) and len(content) > 2:
        return _layout(reading.header(), layouts, int.from_bytes(content[1:3], "little")) is not None
    if content[:1] != bytes([_PLAIN_FULL]):
        return False
    walk = records.Walk(content, 1, len(content), lambda *_: None)
    sound = [record for record in walk.records if record.dib and record.quantity != "reserved"]
    return not walk.broken and len(sound) > 2 and len(sound) == len(walk.records)


def _layout(header: Header | None, layouts: Layouts, signature: int) -> Layout | None:
    who = header and (header.link_address or header.address)
    if not who:
        return None
    return layouts.find(who.manufacturer, who.version, who.device_type, signature)


class _Application:
    """The application layer of one telegram, after all others were taken off."""

    def __init__(self, reading: Reading, layouts: Layouts) -> None:
        assert reading.tpl is not None
        self.reading, self.layouts = reading, layouts
        self.data, self.at, self.end = bytes(reading.plain), reading.at, reading.end
        self.records: list[Record] = []
        self.signature: int | None = None
        self.more_follows = False
        ci, content = reading.tpl.ci, reading.tpl.content
        if payloads.is_whole(reading.link_address, ci):
            self._raw("manufacturer_specific")
        elif content is Content.FULL:
            self._full(high_byte_first=ci in tpl.HIGH_BYTE_FIRST)
        elif content is Content.COMPACT:
            self._compact()
        elif content is Content.FORMAT:
            self._format()
        elif content is Content.FIXED:
            start = self.at
            self.records = fixed.read(
                self.data, start, self.end, self.explain, high_byte_first=ci in tpl.HIGH_BYTE_FIRST
            )
            reading.access_number, reading.status = self.data[start + 4], self.data[start + 5]
            reading.own_address = fixed.identity(self.data, start, high_byte_first=ci in tpl.HIGH_BYTE_FIRST)
        elif content is Content.ERROR:
            self._error()
        elif content in (Content.ALARM, Content.MANUFACTURER):
            self._raw("alarm" if content is Content.ALARM else "manufacturer_specific")
        elif content is Content.NOTHING:
            self.explain(self.at, self.end, "rest", "nothing is expected here")
        else:
            raise Unsupported(f"CI {ci:02X} ({content.value}) is not supported")

    def explain(self, start: int, end: int, name: str, meaning: str) -> None:
        self.reading.explain("apl", start, end, name, meaning)

    def _full(self, *, high_byte_first: bool) -> None:
        walk = records.Walk(self.data, self.at, self.end, self.explain, high_byte_first=high_byte_first)
        # A bus master asks again; a radio telegram is all there is, so what was readable of it counts.
        if walk.broken and (self.reading.wired or len(walk.records) == 1):
            raise RecordError(walk.broken)
        self.records = walk.records
        self.more_follows = walk.more_follows
        if not walk.broken:
            self.signature = compact.signature(compact.headers_of(walk.records))
        self.records += profiles.unfold(walk.records)

    def _compact(self) -> None:
        body = self.at + 4
        if body > self.end:
            raise HeaderError("the compact frame ends inside its format signature or CRC")
        self.signature = int.from_bytes(self.data[self.at : self.at + 2], "little")
        crc = int.from_bytes(self.data[self.at + 2 : body], "little")
        layout = _layout(self.reading.header(), self.layouts, self.signature)
        if layout is None:
            raise UnknownLayout(
                f"compact frame of format {self.signature:04X}: a full frame must teach its layout first"
            )
        fields = self._fields(layout, body)
        values = [self.data[start:end] for start, end in fields]
        if len(values) < len(layout.headers) or compact.full_frame_crc(layout.headers, values) != crc:
            if self.layouts.is_confirmed(layout):
                raise FrameError("the full-frame CRC is wrong: the telegram was damaged on its way")
            raise UnknownLayout(
                f"the layout learnt for format {self.signature:04X} does not fit this telegram"
            )
        self.explain(
            self.at, self.at + 2, "format signature", f"{self.signature:04X}, layout {layout.source}"
        )
        self.explain(self.at + 2, body, "full-frame CRC", "right")
        for header, (start, end) in zip(layout.headers, fields, strict=True):
            record = _from_header(header, self.data[start:end], (start, end))
            self.records.append(record)
            name = record.quantity.replace("_", " ")
            self.explain(start, end, "data", f"{name}: {records.in_words(record)}")
        self.records += profiles.unfold(self.records)

    def _fields(self, layout: Layout, at: int) -> list[tuple[int, int]]:
        """The ranges of the values; none when they do not fill the telegram."""
        fields = []
        for header in layout.headers:
            try:
                own = header[0] & 0x8F == 0x0F
                end = self.end if own else records.data_end(header[0] & 0x0F, self.data, at, self.end)
            except RecordError:
                return []
            fields.append((at, end))
            at = end
        if self.data[at : self.end].strip(bytes([records.FILLER])):
            return []
        self.explain(at, self.end, "filler", f"{self.end - at} idle bytes 2F")
        return fields

    def _format(self) -> None:
        """A format frame: [length] signature(2) DIF/VIF bytes; the signature proves which form it is."""
        for start in (self.at + 1, self.at):
            body = start + 2
            if body >= self.end:
                continue
            mark = int.from_bytes(self.data[start:body], "little")
            parts = _split(self.data, body, self.end)
            if parts and compact.signature([self.data[a:b] for a, b in parts]) == mark:
                self.explain(self.at, start, "length", f"{self.data[self.at]} bytes of format follow")
                self.explain(start, body, "format signature", f"{mark:04X}, right")
                self.signature = mark
                for a, b in parts:
                    record = _from_header(self.data[a:b], b"", (a, b))
                    self.records.append(record)
                    self.explain(a, b, "DIF, VIF", record.quantity.replace("_", " "))
                return
        raise RecordError("the format frame's signature does not fit its DIF/VIF bytes")

    def _error(self) -> None:
        code = self.data[self.at] if self.at < self.end else 0
        self.explain(self.at, self.end, "error code", str(code))
        raise ApplicationError(f"the meter answers: {tpl.APPLICATION_ERRORS.get(code, f'error {code}')}")

    def _raw(self, quantity: str) -> None:
        content = self.data[self.at : self.end]
        value = int.from_bytes(content, "little") if quantity == "alarm" else content
        self.records.append(Record(quantity, "", value, range=(self.at, self.end), data=content))
        self.explain(self.at, self.end, "data", f"{len(content)} bytes, {quantity.replace('_', ' ')}")


def _split(data: bytes, at: int, end: int) -> list[tuple[int, int]]:
    """The ranges of the DIF/VIF pairs of a format frame; empty when they cannot be told apart."""
    parts = []
    try:
        while at < end:
            if data[at] & 0x8F == 0x0F:
                stop = at + 1
            else:
                stop = records.vib_options(data, records.dib_end(data, at, end), end)[0].end
            parts.append((at, stop))
            at = stop
    except RecordError:
        return []
    return parts


def _from_header(header: bytes, content: bytes, where: tuple[int, int]) -> Record:
    """A record from a layout's DIF/VIF bytes and the value found elsewhere (none: a format frame)."""
    if header[0] & 0x8F == 0x0F:
        return Record("manufacturer_specific", "", content, range=where, dib=header, data=content)
    after_dib = records.dib_end(header, 0, len(header))
    vib = records.vib_options(header, after_dib, len(header))[0]
    return records.read(header[:after_dib], vib, header[after_dib:], content, where)
