"""Kamstrup's key files (KEM and KEM2): opened with their password, read meter by meter. Pure.

A file is XML, often inside a zip whose name then ends in .zip.kem. The XML is an ``EncryptedData`` element
(W3C XML Encryption) whose ``CipherValue`` holds another XML document in AES-128-CBC. Key and initial vector
are both the password's bytes, filled up with zero bytes to 16. Inside stand, in KEM,
``MetersInOrder/Meter`` with ``EncKeys/DEK``, and in KEM2 ``Devices/Device`` with ``Keys`` of
``Name``/``Value`` pairs, of which the one named DEK is the radio key.
A KEM2 file also carries the maker's signature, which is not checked here: trust the road the file came by.

    KemError (a KeyFileError)
    ├── NotKem           neither a zip nor XML with keys
    ├── KemDamaged       cut short or altered: zip, XML or the encrypted content
    ├── KemTooLarge      larger than LIMIT_BYTES when unpacked, or nested beyond reason
    ├── PasswordNeeded   the content is encrypted and no password was given
    ├── WrongPassword    the password does not open it
    └── KemUnsupported   encrypted in another way than the two known file kinds
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, TreeBuilder  # the tree alone; expat below does the reading
from xml.parsers import expat

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from avlas.meters.key_text import (
    LIMIT_BYTES,
    N_,
    KeyEntry,
    KeyFileError,
    KeyList,
    Problem,
    add_entry,
    parse_key,
    parse_meter_number,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_AES128_CBC = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
_MAX_DEPTH = 40
_MAX_MEMBERS = 1000


class KemError(KeyFileError):
    """A key file that can't be read."""


class NotKem(KemError):  # noqa: N818 - states, named as people say them
    """Neither a zip nor XML with keys."""


class KemDamaged(KemError):  # noqa: N818
    """Cut short or altered."""


class KemTooLarge(KemError):  # noqa: N818
    """Larger than any honest key file."""


class PasswordNeeded(KemError):  # noqa: N818
    """The content is encrypted and no password was given."""


class WrongPassword(KemError):  # noqa: N818
    """The password does not open the content."""


class KemUnsupported(KemError):  # noqa: N818
    """Encrypted in a way that is not known."""


def is_kem(data: bytes) -> bool:
    """Whether ``data`` can be a KEM file at all (a zip or XML), rather than a list in CSV."""
    return _is_zip(data) or data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def read_kem(data: bytes, password: str | None = None) -> KeyList:
    """The keys in a KEM or KEM2 file. A meter without a usable key becomes a problem, the others are read.

    Raises KemError.
    """
    if len(data) > LIMIT_BYTES:
        raise _too_large()
    entries: dict[tuple[str, str], KeyEntry] = {}
    problems: list[Problem] = []
    number = 0
    for document in _documents(data, nesting=0):
        meters, error = _meters(_plain(document, password))
        for meter in meters:
            number += 1
            try:
                add_entry(entries, _entry(meter))
            except KeyFileError as problem:
                problems.append(Problem("meter", number, problem))
        if error:
            problems.append(Problem("meter", number + 1, error))
    if not entries and not problems:
        raise NotKem(N_("The file was opened, but there are no meters in it."))
    return KeyList(tuple(entries.values()), tuple(problems))


def _is_zip(data: bytes) -> bool:
    return data[:4] in {b"PK\x03\x04", b"PK\x05\x06"}


def _too_large() -> KemTooLarge:
    return KemTooLarge(
        N_("The file is larger than %(limit)d MB unpacked; that is not a key file."), limit=LIMIT_BYTES >> 20
    )


def _documents(data: bytes, nesting: int) -> Iterator[bytes]:
    """The XML documents in the file: itself, or what its zip holds under a key file's name."""
    if not _is_zip(data):
        yield data
        return
    if nesting > 2:
        raise KemTooLarge(
            N_("There are zip files within zip files within zip files here; unpack them first.")
        )
    found = False
    budget = LIMIT_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS:
                raise _too_large()
            for member in members:
                if not member.filename.lower().endswith((".kem", ".kem2", ".xml", ".zip")):
                    continue
                if member.flag_bits & 1:
                    raise KemUnsupported(
                        N_("The zip itself is locked with a password; unpack it and give the .kem file.")
                    )
                with archive.open(member) as file:
                    content = file.read(budget + 1)  # the size in the zip's directory may be a lie
                budget -= len(content)
                if budget < 0:
                    raise _too_large()
                found = True
                yield from _documents(content, nesting + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        if isinstance(error, KemError):
            raise
        raise KemDamaged(N_("The zip is damaged. Fetch the file again.")) from error
    except (NotImplementedError, RuntimeError) as error:
        raise KemUnsupported(
            N_("The zip is packed in an unusual way; unpack it and give the .kem file.")
        ) from error
    if not found:
        raise NotKem(N_("There is no .kem, .kem2 or .xml file in the zip."))


def _plain(document: bytes, password: str | None) -> bytes:
    """The XML with the meters: what the document's encrypted part opens to, or the document itself."""
    outer, error = _elements(document, {"EncryptedData", "Meter", "Device"})
    encrypted = [element for element in outer if element.tag == "EncryptedData"]
    if not encrypted:
        if not outer and error:
            if not is_kem(document):
                raise NotKem(N_("This is not a KEM file: it is neither a zip nor XML.")) from error
            raise KemDamaged(N_("The XML in the file is damaged. Fetch the file again.")) from error
        return document
    method = encrypted[0].find("EncryptionMethod")
    algorithm = "" if method is None else method.get("Algorithm", "")
    if algorithm not in {"", _AES128_CBC}:
        raise KemUnsupported(
            N_("The file is encrypted with %(method)s; only aes128-cbc is known."),
            method=algorithm.rpartition("#")[2][:60],
        )
    try:
        text = "".join((encrypted[0].findtext("CipherData/CipherValue") or "").split())
        sealed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise KemDamaged(N_("The encrypted part of the file is damaged. Fetch the file again.")) from problem
    if not sealed or len(sealed) % 16:
        raise KemDamaged(N_("The encrypted part of the file is cut short. Fetch the file again."))
    return _open(sealed, password)


def _open(sealed: bytes, password: str | None) -> bytes:
    if not password:
        raise PasswordNeeded(
            N_("The file is locked: give the password that was chosen when it was fetched from the maker.")
        )
    for attempt in dict.fromkeys((password, password.strip())):
        key = attempt.encode()
        if not 0 < len(key) <= 16:
            continue
        key = key.ljust(16, b"\0")
        cipher = Cipher(algorithms.AES(key), modes.CBC(key)).decryptor()
        plain = cipher.update(sealed) + cipher.finalize()
        if re.match(rb"(\xef\xbb\xbf)?\s*<[?!\w][\x20-\x7e\r\n\t]{6}", plain):
            return _without_padding(plain)
    if len(password.strip().encode()) > 16:
        raise WrongPassword(N_("The password is wrong: passwords of KEM files have at most 16 characters."))
    raise WrongPassword(
        N_("The password is wrong. (If you are sure of it, the file is damaged: fetch it again.)")
    )


def _without_padding(plain: bytes) -> bytes:
    """The XML without what fills its last block: zero bytes, or any bytes with their number last."""
    if 0 < plain[-1] <= 16 and plain[: -plain[-1]].rstrip().endswith(b">"):
        return plain[: -plain[-1]]
    return plain.rstrip(b"\0")


def _meters(plain: bytes) -> tuple[list[Element], KemDamaged | None]:
    """The Meter or Device elements, and what cut their list short, if anything did."""
    meters, error = _elements(plain, {"Meter", "Device"})
    if error is None:
        return meters, None
    damaged = KemDamaged(
        N_("The list is damaged from here on; the meters before are fine. Fetch the file again.")
    )
    if not meters:
        raise KemDamaged(N_("The file was opened, but its content is damaged. Fetch it again.")) from error
    return meters, damaged


def _entry(meter: Element) -> KeyEntry:
    """One meter's key and data. Raises KeyFileError."""

    def first(*names: str) -> str:
        texts = ((element.text or "").strip() for name in names for element in meter.iter(name))
        return next(filter(None, texts), "")

    serial = first("SerialNo", "SerialNumber")
    number = first("MeterNo", "CustomerDeviceNumber")
    maker, identification = parse_meter_number(serial or number)
    key = _key_text(meter)
    if not key:
        raise KeyFileError(N_("The meter %(meter)s has no key in the file."), meter=identification)
    vendor = first("VendorId", "ManufacturerId")
    return KeyEntry(
        manufacturer=vendor.upper() if re.fullmatch("[A-Za-z]{3}", vendor) else maker,
        identification=identification,
        key=parse_key(key),
        meter_type=first("MeterName", "ShortName"),
        medium=first("ConsumptionType", "ConsumptionTypeName"),
        type_number=first("TypeNo", "TypeNumber"),
        config=first("ConfigNo", "ConfigNumber"),
        vendor=vendor,
        customer_number=number,
        serial=serial,
    )


def _key_text(meter: Element) -> str:
    """The data encryption key as written: a DEK element, or the value of what is named DEK; else empty."""
    for element in meter.iter():
        if element.tag == "DEK" and (element.text or "").strip():
            return (element.text or "").strip()
        value = (element.findtext("Value") or "").strip()
        name = element.findtext("Name") or element.get("Type") or element.get("Name") or ""
        if value and name.strip().upper() == "DEK":
            return value
    return ""


def _elements(xml: bytes, names: set[str]) -> tuple[list[Element], Exception | None]:
    """All whole elements with these names (local names, namespaces dropped), and the error that ended it.

    No document type, entity or outside reference is accepted: the only way XML can grow or reach out.
    """
    found: list[Element] = []
    builder: TreeBuilder | None = None
    inside = depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal builder, inside, depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise KemTooLarge(N_("The XML is nested too deeply for a key file."))
        name = name.rpartition(" ")[2]
        if builder is None and name in names:
            builder, inside = TreeBuilder(), depth
        if builder is not None:
            builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal builder, depth
        if builder is not None:
            builder.end(name.rpartition(" ")[2])
            if depth == inside:
                found.append(builder.close())
                builder = None
        depth -= 1

    def text(content: str) -> None:
        if builder is not None:
            builder.data(content)

    def refuse(*_: Any) -> None:
        raise KemUnsupported(
            N_("The XML brings its own definitions (DOCTYPE), which no key file has; refused.")
        )

    parser = expat.ParserCreate(namespace_separator=" ")
    handlers: dict[str, Callable[..., None]] = {
        "StartElementHandler": start,
        "EndElementHandler": end,
        "CharacterDataHandler": text,
        "StartDoctypeDeclHandler": refuse,
        "EntityDeclHandler": refuse,
        "ExternalEntityRefHandler": refuse,
    }
    for name, handler in handlers.items():
        setattr(parser, name, handler)
    parser.buffer_text = True
    try:
        parser.Parse(xml, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, KemError):
            raise
        return found, error
    return found, None
