"""A meter that sends telegrams: it keeps its access number, its counter and the turn of full and compact."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from avlas.simulate import frames, security
from avlas.simulate.layouts import MeterType, Number, Sample, meter_type

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

_CLOCK_ZERO = datetime(2010, 1, 1, tzinfo=UTC)  # from here session numbers count minutes
_FULL_EVERY = 8
_NOTHING: Mapping[str, Number] = MappingProxyType({})


@dataclass(slots=True)
class SimulatedMeter:
    """One meter with address, key and memory.

    ``key`` may be None for a meter that sends in clear. ``utc_offset`` and ``clock_error`` make the
    meter's own clock out of UTC: Swedish heat meters keep UTC+1 all year. ``sent`` decides the turn: every
    eighth telegram is full, the others compact where the type sends such.
    """

    type: MeterType
    identification: str
    key: bytes | None
    access_number: int = 0
    counter: int = 0  # last session number or message counter used
    sent: int = 0
    utc_offset: timedelta = timedelta(hours=1)
    clock_error: timedelta = timedelta(0)
    primary_address: int = 1
    status: int = 0
    address: bytes = field(init=False)

    def __post_init__(self) -> None:
        if self.key is not None and len(self.key) != 16:
            raise ValueError(f"a meter key has 16 bytes, not {len(self.key)}")
        self.address = frames.address(
            self.type.manufacturer, self.identification, self.type.version, self.type.device_type
        )

    @classmethod
    def of(cls, type_name: str, identification: str, key: bytes | None) -> SimulatedMeter:
        """A meter of the type with that name (see ``layouts.TYPES``)."""
        return cls(meter_type(type_name), identification, key)

    def own_time(self, at: datetime) -> datetime:
        """What the meter's clock shows at ``at`` (aware), naive."""
        return (at.astimezone(UTC) + self.utc_offset + self.clock_error).replace(tzinfo=None)

    def telegram(
        self,
        values: Mapping[str, Number],
        at: datetime,
        *,
        info_code: int = 0,
        target_at: date | None = None,
        target: Mapping[str, Number] = _NOTHING,
        compact: bool | None = None,
    ) -> bytes:
        """The next telegram: a frame in format A order without link CRCs, or a wired long frame.

        ``values`` and ``target`` are register values in canonical units (see ``layouts.Sample``), ``at``
        is the true time (aware). ``compact`` forces one form; None takes turns. ValueError: a value is
        missing or does not fit its record.
        """
        sample = Sample(values, self.own_time(at), info_code, target_at, target)
        if compact is None:
            compact = self.type.compact and self.sent % _FULL_EVERY != 0
        content = self._application(sample, compact=compact)
        self.sent += 1
        self.access_number = (self.access_number + 1) & 0xFF
        if self.type.wired:
            header = frames.tpl_long(self.address, self.access_number, self.status, bytes(2), content)
            return frames.wired_long(self.primary_address, header)
        if self.type.security == "ell-ctr":
            return self._ell(content, at)
        return self._tpl(content, at)

    def _application(self, sample: Sample, *, compact: bool) -> bytes:
        """CI and records where there is no transport header, else the records alone."""
        full = self.type.full(sample, self.identification)
        if compact:
            values = b"".join(self.type.values(sample, self.identification))
            return frames.tpl_compact(self.type.signature, frames.crc(full), values)
        return frames.tpl_none(full) if self.type.header == "none" else full

    def _ell(self, content: bytes, at: datetime) -> bytes:
        minutes = int((at.astimezone(UTC) - _CLOCK_ZERO).total_seconds() // 60)
        # Time and session are one number that only grows, however often the meter sends in a minute.
        self.counter = max(self.counter + 1, minutes << 4)
        encrypted = self.key is not None
        session = frames.session_number(self.counter >> 4, self.counter & 15, encrypted=encrypted)
        if self.key is not None:
            payload = security.ell_ctr(self.key, self.address, self.type.cc, session, content)
        else:
            payload = frames.crc(content).to_bytes(2, "little") + content
        header = frames.ell_long_header(self.access_number, session, cc=self.type.cc)
        return frames.link(self.address, header + payload)

    def _tpl(self, records: bytes, at: datetime) -> bytes:
        configuration, content, afl = bytes(2), records, b""
        if self.key is not None and self.type.security != "none":
            plain = security.fill(records)
            if self.type.security == "mode 5":
                configuration = security.mode_5_configuration(plain)
                content = security.mode_5(self.key, self.address, self.access_number, plain)
            else:
                minutes = int((at.astimezone(UTC) - _CLOCK_ZERO).total_seconds() // 60)
                self.counter = max(self.counter + 1, minutes)
                configuration = security.mode_7_configuration(plain)
                content = security.mode_7(self.key, self.counter, self.address[2:6], plain)
        if self.type.header == "long":
            message = frames.tpl_long(self.address, self.access_number, self.status, configuration, content)
        else:
            message = frames.tpl_short(self.access_number, self.status, configuration, content)
        if self.key is not None and self.type.security == "mode 7":
            mac = security.mode_7_mac(self.key, self.counter, self.address[2:6], message)
            afl = frames.ell_short(self.access_number) + frames.afl(self.counter, mac)
        return frames.link(self.address, afl + message)
