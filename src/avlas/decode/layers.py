"""One telegram's layers, read from the outside in: link, ELL, AFL, transport layer.

``Reading`` holds what is known so far, so that an error can still say whose telegram it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from avlas.decode import afl, des, ell, link, security, tpl, wired
from avlas.decode.errors import DecodeError, FrameError, HeaderError, NoKey, Unsupported, WrongKey
from avlas.decode.payloads import apator, diehl
from avlas.decode.types import Address, Header, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from avlas.decode.tpl import Tpl

LONGEST_FRAME = 256
FORMATS = ("auto", "a", "a-crc", "b-crc", "wired", "assembled")
_AES_MODES = (5, 7)
# Makers whose modules form the initial vector with the M-field of the module's maker (FRC), not with their own.
_MODULE_MAKERS = {"KPL": b"\x43\x1a"}


class Reading:
    """The state of one telegram while its layers are taken off one after the other."""

    def __init__(self) -> None:
        self.plain = bytearray()
        self.at = 0  # offset of the CI field that is next
        self.end = 0
        self.wired = False
        self.spans: list[Span] = []
        self.link_address: Address | None = None
        self.own_address: Address | None = None
        self.ci_chain: list[int] = []
        self.access_number: int | None = None
        self.status: int | None = None
        self.security = "none"
        self.counter: int | None = None
        self.ell: ell.Ell | None = None
        self.afl: afl.Afl | None = None
        self.tpl: Tpl | None = None
        self._has_des_key = False
        self.mac_from = 0  # where the part of the telegram begins that the AFL's MAC covers

    def header(self) -> Header | None:
        """What is known in clear; None before an address or CI field was read."""
        if self.link_address is None and not (self.wired and self.ci_chain):
            return None
        return Header(
            link_address=self.link_address,
            address=self.own_address or self.link_address,
            ci=self.ci_chain[-1] if self.ci_chain else 0,
            ci_chain=tuple(self.ci_chain),
            access_number=self.access_number,
            status=self.status,
            security=self.security,
            counter=self.counter,
            wired=self.wired,
        )

    def explain(self, layer: str, start: int, end: int, name: str, meaning: str) -> None:
        """Note what a byte range is."""
        if end > start:
            self.spans.append(Span(layer, start, end, name, meaning))

    # the link layer

    def open(self, frame: bytes, format: str) -> None:  # noqa: A002 - the contract's word
        """Take off the link layer. Raises FrameError, HeaderError, Unsupported."""
        if format not in FORMATS:
            raise ValueError(f"format {format!r} is none of {', '.join(FORMATS)}")
        if not frame:
            raise FrameError("no bytes at all")
        if format == "wired" or (format == "auto" and wired.looks_wired(frame)):
            self._open_wired(frame)
        else:
            self._open_wireless(frame, format)

    def _open_wired(self, frame: bytes) -> None:
        self.wired = True
        parsed = wired.parse(frame)
        self.plain = bytearray(frame)
        if parsed.kind == "ack":
            raise Unsupported("E5 is an acknowledgement: it carries no values")
        if parsed.kind == "short":
            raise Unsupported(f"a short frame (C {parsed.control:02X}) carries no values")
        if parsed.from_master:
            raise Unsupported(f"C-field {parsed.control:02X}: the master sent this, it is no meter's answer")
        self.at, self.end = 6, len(frame) - 2
        self.explain("link", 0, 4, "start, L-field", f"long frame, {frame[1]} bytes follow")
        self.explain("link", 4, 5, "C-field", f"{parsed.control:02X}, answer of a meter")
        self.explain("link", 5, 6, "A-field", f"primary address {parsed.address}")
        self.explain("link", self.end, self.end + 1, "check sum", "right")
        self.explain("link", self.end + 1, self.end + 2, "stop", "16")

    def _open_wireless(self, frame: bytes, format: str) -> None:  # noqa: A002
        plain, note = _normalised(frame, format)
        if len(plain) < link.HEADER_LENGTH:
            raise FrameError(f"{len(plain)} bytes are too few for a wireless frame")
        self.plain = bytearray(plain)
        whole = format == "assembled" or is_assembled(plain)
        self.end = len(plain) if whole else min(len(plain), plain[0] + 1)
        self.link_address = who = link.link_address(plain)
        self.explain("link", 0, 1, "L-field", f"{plain[0]} bytes follow{note}")
        self.explain("link", 1, 2, "C-field", _control_words(plain[1]))
        self.explain("link", 2, 4, "M-field", f"manufacturer {who.manufacturer}")
        words = f"identification {who.identification}, version {who.version:02X}, type {who.device_type:02X}"
        self.explain("link", 4, 10, "A-field", words)
        self.explain("link", self.end, len(plain), "rest", "bytes after the end that the L-field announces")
        self.at = link.HEADER_LENGTH
        if self.end <= self.at:
            raise HeaderError("nothing follows the address: no CI field")

    # the layers above

    def read_clear(self) -> None:
        """Read all headers that stand in clear, then stop. Raises HeaderError."""
        while not self._next_header():
            pass

    def _next_header(self) -> bool:
        """Take off one layer; True when the transport layer is read or the rest is encrypted."""
        if self.at >= self.end:
            raise HeaderError("the telegram ends where a CI field should stand")
        ci = self.plain[self.at]
        self.ci_chain.append(ci)
        if ci in ell.CI and self.ell is None and not self.wired:
            return self._read_ell(ci)
        if ci == afl.CI and self.afl is None and not self.wired:
            return self._read_afl()
        self._read_tpl(ci)
        return True

    def _read_ell(self, ci: int) -> bool:
        header, stop = ell.parse(bytes(self.plain), self.at, self.end)
        start, self.ell, self.at = self.at, header, stop
        self.access_number = header.access_number
        self.explain("ell", start, start + 1, "CI", f"{ci:02X} extended link layer")
        self.explain("ell", start + 1, start + 2, "CC", _communication_words(header.control))
        self.explain("ell", start + 2, start + 3, "access number", str(header.access_number))
        if header.second_address is not None:
            other = header.second_address
            self.explain(
                "ell", start + 3, start + 11, "M2, A2", f"{other.manufacturer} {other.identification}"
            )
        if not header.session:
            return False
        self.counter = header.counter
        how = {ell.NOT_ENCRYPTED: "not encrypted", ell.AES_CTR: "AES-128-CTR"}.get(
            header.encryption, "reserved"
        )
        self.explain("ell", stop - 4, stop, "session number", f"{header.counter}, {how}")
        if header.encryption == ell.NOT_ENCRYPTED:
            self._check_payload_crc()
            return False
        self.security = "ell-ctr" if header.encryption == ell.AES_CTR else f"ell-{header.encryption}"
        return True

    def _check_payload_crc(self) -> None:
        if not self._payload_crc_fits():
            raise FrameError("the payload CRC of the extended link layer is wrong: damaged on its way")
        self._pass_payload_crc()

    def _payload_crc_fits(self) -> bool:
        body = self.at + ell.CRC_LENGTH
        if body >= self.end:
            raise HeaderError("the extended link layer ends before its payload")
        sent = int.from_bytes(self.plain[self.at : body], "little")
        return link.crc16(self.plain[body : self.end]) == sent

    def _pass_payload_crc(self) -> None:
        self.explain("ell", self.at, self.at + ell.CRC_LENGTH, "payload CRC", "right")
        self.at += ell.CRC_LENGTH

    def _read_afl(self) -> bool:
        header, stop, spans = afl.parse(bytes(self.plain), self.at, self.end)
        self.explain("afl", self.at, self.at + 1, "CI", "90 authentication and fragmentation layer")
        self.spans += spans
        self.afl, self.at, self.mac_from = header, stop, stop
        if header.counter is not None:
            self.counter = header.counter
        if not header.whole:
            more = ", more follow" if header.more_follows else ""
            raise Unsupported(
                f"fragment {header.fragment} of a longer message{more}: all must be put together"
            )
        return False

    def _read_tpl(self, ci: int) -> None:
        header, stop = tpl.parse(bytes(self.plain), self.at, self.end, wired=self.wired)
        at, self.tpl, self.at = self.at, header, stop
        self.explain("tpl", at, at + 1, "CI", f"{ci:02X} {header.content.value}")
        at += 1
        if header.address is not None:
            self.own_address = who = header.address
            words = f"version {who.version:02X}, type {who.device_type:02X}"
            self.explain("tpl", at, at + 8, "address", f"{who.manufacturer} {who.identification}, {words}")
            at += 8
        if header.access_number is None or header.status is None:
            if diehl.is_prios(self.link_address, ci):
                self.security = diehl.SECURITY
            elif apator.is_na_1(self.link_address, ci) and self.at < self.end:
                self.security, self.access_number = "mode 5", self.plain[self.at]
            return
        self.access_number, self.status = header.access_number, header.status
        mode = self._mode()
        if mode:
            self.security = security.MODE_NAMES.get(mode, f"mode {mode}")
        if diehl.is_real_data(self.link_address, ci, mode):
            self.security = diehl.SECURITY
        self.explain("tpl", at, at + 1, "access number", str(header.access_number))
        self.explain("tpl", at + 1, at + 2, "status", tpl.status_words(header.status))
        words = f"security {self.security}"
        if mode in _AES_MODES:
            words += f", {header.blocks} blocks"
        elif mode in des.MODES:
            words += f", DES, {header.configuration & 0xFF} bytes"
        self.explain("tpl", at + 2, at + 4, "configuration", words)
        if header.extension is not None:
            words = f"key {header.extension & 0x0F}, key derivation {header.extension >> 4 & 0x3}"
            self.explain("tpl", at + 4, at + 5, "configuration extension", words)

    def _mode(self) -> int:
        """The security mode in force: 0 when no block is encrypted, and for the junk of old wired meters."""
        assert self.tpl is not None
        mode = self.tpl.mode
        if mode in _AES_MODES:
            return mode if self.tpl.blocks else 0
        if mode in des.MODES and not self.tpl.configuration & 0xFF:
            return 0
        return mode if not self.wired or (mode in des.MODES and self._has_des_key) else 0

    # decryption

    def open_content(
        self, key: bytes | None, *, accept_clear: bool, plausible: Callable[[bytes], bool]
    ) -> None:
        """Decrypt what is encrypted, reading the headers on the way.

        ``plausible`` judges a payload (from its CI on) whose CRC is wrong after decryption: still a meter's
        telegram with some wrong bits, or the noise a wrong key gives? Raises NoKey, WrongKey, FrameError
        (damaged), Unsupported, HeaderError.
        """
        self._has_des_key = key is not None and len(key) == des.KEY_LENGTH
        self.read_clear()
        if self.tpl is None:
            self._open_ell(key, accept_clear=accept_clear, plausible=plausible)
            self.read_clear()
        self._check_mac(key)
        self._open_tpl(key, accept_clear=accept_clear)

    def _open_ell(self, key: bytes | None, *, accept_clear: bool, plausible: Callable[[bytes], bool]) -> None:
        assert self.ell is not None
        if self.ell.encryption != ell.AES_CTR:
            raise Unsupported(f"encryption {self.ell.encryption} of the extended link layer is reserved")
        if key is None:
            if not (accept_clear and self._payload_crc_fits()):
                raise NoKey("the content is encrypted (ELL AES-CTR): the meter's key is needed")
            self._pass_payload_crc()
            return
        security.check_length(key)
        cipher = bytes(self.plain[self.at : self.end])
        assert self.link_address is not None
        senders = [bytes(self.plain[2:10])]
        if self.ell.second_address is not None:
            senders.append(self.ell.second_address.raw)
        for sender in senders:
            content = security.ell_ctr(key, sender, self.ell.cipher_control, self.ell.session, cipher)
            self.plain[self.at : self.end] = content
            if self._payload_crc_fits():
                self._pass_payload_crc()
                return
        content = bytes(self.plain[self.at + ell.CRC_LENGTH : self.end])
        self.plain[self.at : self.end] = cipher
        if plausible(content):
            raise FrameError("decrypted, but the payload CRC is wrong: the telegram was damaged on its way")
        raise WrongKey("the payload CRC is wrong after decryption: the key does not fit this meter")

    def _check_mac(self, key: bytes | None) -> None:
        """OMS volume 2 clause 9.4: the MAC covers the AFL's counters and everything after the AFL."""
        if key is None or self.afl is None or not self.afl.mac:
            return
        security.check_length(key)
        if not self.afl.uses_cmac or self.afl.counter is None:
            raise Unsupported(f"authentication type {(self.afl.message_control or 0) & 0x0F} is not known")
        derived = security.authentication_key(key, self.afl.counter, self._identification())
        message = self.afl.authenticated() + bytes(self.plain[self.mac_from : self.end])
        if security.mac_fits(derived, message, self.afl.mac):
            return
        if self._opens_with(key):
            raise FrameError("the MAC is wrong although the key fits: the telegram was damaged or changed")
        raise WrongKey("the MAC does not fit: the key is not this meter's")

    def _identification(self) -> bytes:
        who = self.own_address or self.link_address
        assert who is not None
        return who.raw[2:6]

    def _opens_with(self, key: bytes) -> bool:
        """Whether the first encrypted block opens to 2F 2F."""
        if self.tpl is None or self._mode() != 7 or self.at + security.BLOCK > self.end:
            return False
        return (
            self._decrypted_7(key, bytes(self.plain[self.at : self.at + security.BLOCK]))[:2]
            == security.CHECK
        )

    def _decrypted_7(self, key: bytes, cipher: bytes) -> bytes:
        if self.afl is None or self.afl.counter is None:
            raise HeaderError("security mode 7 needs the message counter of an authentication layer")
        derived = security.encryption_key(key, self.afl.counter, self._identification())
        return security.mode_7(derived, cipher)

    def _open_tpl(self, key: bytes | None, *, accept_clear: bool) -> None:
        assert self.tpl is not None
        mode = self._mode()
        if diehl.is_prios(self.link_address, self.tpl.ci):
            self._uncover_prios(key)
            return
        if apator.is_na_1(self.link_address, self.tpl.ci):
            self._open_na_1(key)
            return
        if mode == 0:
            return
        if diehl.is_real_data(self.link_address, self.tpl.ci, mode):
            self._uncover_real_data(key)
            return
        name = security.MODE_NAMES.get(mode, f"mode {mode}")
        if mode not in (*_AES_MODES, *des.MODES):
            raise Unsupported(f"security {name} is not supported")
        if key is None:
            if accept_clear and self.plain[self.at : min(self.at + 2, self.end)] == security.CHECK:
                self.explain("tpl", self.at, self.at + 2, "check", "2F 2F: content stands in clear")
                self.at += 2
                return
            if not (mode == 5 and self._opens_with_default_key()):
                raise NoKey(f"the content is encrypted ({name}): the meter's key is needed")
            key, self.security = diehl.DEFAULT_AES_KEY, f"{name} ({diehl.DEFAULT_KEY_NOTE})"
        content = self._decrypted_des(key) if mode in des.MODES else self._decrypted_aes(key)
        if content[:2] != security.CHECK:
            raise WrongKey(f"decrypted with {name} it does not begin with 2F 2F: the key does not fit")
        self.plain[self.at : self.at + len(content)] = content
        self.explain("tpl", self.at, self.at + 2, "check", "2F 2F: decrypted rightly")
        self.at += 2

    def _decrypted_aes(self, key: bytes) -> bytes:
        assert self.tpl is not None
        security.check_length(key)
        stop = self.at + security.BLOCK * self.tpl.blocks
        if stop > self.end:
            left = self.end - self.at
            raise FrameError(f"{self.tpl.blocks} encrypted blocks are announced, {left} bytes are there")
        cipher = bytes(self.plain[self.at : stop])
        if self._mode() == 7:
            return self._decrypted_7(key, cipher)
        access = self.tpl.access_number or 0
        content = security.mode_5(key, self._sender(), access, cipher)
        letters = _MODULE_MAKERS.get(self.link_address.manufacturer if self.link_address else "")
        if content[:2] != security.CHECK and letters:
            content = security.mode_5(key, letters + self._sender()[2:], access, cipher)
        return content

    def _decrypted_des(self, key: bytes) -> bytes:
        assert self.tpl is not None
        stop = self.at + des.encrypted_length(self.tpl.configuration)
        if stop > self.end:
            left = self.end - self.at
            raise FrameError(f"{stop - self.at} encrypted bytes are announced, {left} are there")
        cipher, clear = bytes(self.plain[self.at : stop]), bytes(self.plain[stop : self.end])
        return des.decrypted(self._mode(), key, self._sender(), cipher, clear)

    def _opens_with_default_key(self) -> bool:
        """Whether the meter still has the key that its maker ships it with and everybody knows."""
        assert self.tpl is not None
        who = self.own_address or self.link_address
        first = bytes(self.plain[self.at : self.at + security.BLOCK])
        if who is None or who.manufacturer not in diehl.MAKERS or len(first) < security.BLOCK:
            return False
        access = self.tpl.access_number or 0
        return security.mode_5(diehl.DEFAULT_AES_KEY, self._sender(), access, first)[:2] == security.CHECK

    def _uncover_prios(self, key: bytes | None) -> None:
        """Diehl's obfuscation: the meter's own key or one of the maker's, told by the block's check byte."""
        plain = bytes(self.plain)
        found = [diehl.uncover(plain, self.end, seed) for seed in diehl.seeds(key)]
        fitting = [block for block in found if diehl.prios_key_fits(block)]
        if not fitting:
            if key is None:
                raise NoKey("PRIOS with a key of its own: neither of the maker's default keys fits")
            raise WrongKey("PRIOS: neither the key given nor the maker's default keys fit this meter")
        block = next((block for block in fitting if diehl.prios_is_plausible(block)), None)
        if block is None:
            raise FrameError("PRIOS: the check byte fits, the values are impossible: damaged on its way")
        self.plain[diehl.HIDDEN_FROM : self.end] = block

    def _uncover_real_data(self, key: bytes | None) -> None:
        """Diehl's obfuscation of ordinary records, told by their sum in the configuration field."""
        plain = bytes(self.plain)
        announced = plain[self.at - 1] if self.at else 0
        for seed in diehl.seeds(key) if self.at == diehl.HIDDEN_FROM else ():
            content = diehl.uncover(plain, self.end, seed)
            if diehl.real_data_fits(content, announced):
                self.plain[self.at : self.end] = content
                return
        if key is None:
            raise NoKey("obfuscated with a key of its own: neither of the maker's default keys fits")
        raise WrongKey("obfuscated: neither the key given nor the maker's default keys fit this meter")

    def _open_na_1(self, key: bytes | None) -> None:
        """Apator NA-1: access number, flags, one AES block; delivered with a key of zeros."""
        block = self.at + 2
        stop = block + security.BLOCK
        if stop > self.end:
            raise FrameError(
                f"an Apator NA-1 sends {security.BLOCK + 2} bytes, {self.end - self.at} are there"
            )
        cipher = bytes(self.plain[block:stop])
        used = bytes(security.BLOCK) if key is None else key
        security.check_length(used)
        content = security.mode_5(used, self._sender(), self.plain[self.at], cipher)
        if not apator.na_1_fits(content):
            if key is None:
                raise NoKey("the content is encrypted (mode 5), not with the key of zeros: a key is needed")
            raise WrongKey("decrypted with mode 5 it is no block of an Apator NA-1: the key does not fit")
        self.plain[block:stop] = content
        if key is None:
            self.security = "mode 5 (zero key)"

    def _sender(self) -> bytes:
        """The address in the initial vector: the transport header's, else the link's as sent."""
        if self.own_address is not None:
            return self.own_address.raw
        return bytes(self.plain[2:10])


def is_assembled(frame: bytes) -> bool:
    """Whether this is a message longer than a frame, put together by afl.Assembler: no frame has L-field 0."""
    return len(frame) > LONGEST_FRAME and not frame[0]


def _normalised(frame: bytes, format: str) -> tuple[bytes, str]:  # noqa: A002
    """(frame without CRCs, remark). ``auto`` judges by the L-field against the length alone."""
    if format == "a-crc":
        return link.strip_crcs(frame, "a-crc"), ""
    if format == "b-crc":
        return link.strip_crcs(frame, "b-crc"), ""
    announced = frame[0] + 1
    if len(frame) == announced or format == "assembled" or is_assembled(frame):
        return frame, ""
    if format == "a":
        raise FrameError(f"L-field announces {announced} bytes, {len(frame)} are there")
    if len(frame) == link.length_with_crcs_a(frame[0]):
        return link.strip_crcs(frame, "a-crc"), ", CRCs were right"
    return frame, f" (not so: {len(frame) - 1} are there)"


def _control_words(control: int) -> str:
    names = {
        0x44: "SND-NR, sends unasked",
        0x46: "SND-IR, installation request",
        0x08: "RSP-UD, answer",
        0x18: "RSP-UD, answer",
        0x47: "ACC-NR",
        0x48: "ACC-DMD, wants to be asked",
    }
    return f"{control:02X} {names.get(control, '')}".strip()


def _communication_words(control: int) -> str:
    bits = (
        (0x80, "two-way"),
        (0x40, "fast answer"),
        (0x20, "synchronous"),
        (0x10, "heard by way of a repeater"),
        (0x08, "priority"),
        (0x04, "may be asked"),
        (0x02, "repeated access"),
    )
    return ", ".join(words for bit, words in bits if control & bit) or "one-way"


def header(frame: bytes, format: str = "auto") -> Header:  # noqa: A002
    """Everything of a telegram that stands in clear, without decrypting anything.

    Formats as in ``telegram``. Raises DecodeError when not even an address can be read.
    """
    reading = Reading()
    try:
        reading.open(frame, format)
        reading.read_clear()
    except DecodeError:
        if reading.header() is None:
            raise
    known = reading.header()
    assert known is not None
    return known
