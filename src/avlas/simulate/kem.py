"""Key files as Kamstrup delivers them: KEM and KEM2, XML encrypted with a password, usually in a zip.

The outer file is XML Encryption with AES-128-CBC; key and initial vector are both the password's bytes,
filled up with zeros to 16. Inside is a list of meters with their numbers and keys.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from avlas.simulate.meter import SimulatedMeter

_XMLENC = "http://www.w3.org/2001/04/xmlenc#"
_CONSUMPTION = {
    "heat": "Heat", "cooling": "Cooling", "heat/cooling": "HeatCooling", "cold water": "VolumeCold",
    "warm water": "VolumeHot", "water": "VolumeCold", "electricity": "Electricity", "pressure": "Pressure",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KemMeter:
    """One meter of a key file. ``meter_number`` is the customer's number for it (default: the serial)."""

    serial_number: str
    key: bytes
    name: str  # short name: "MC403"
    type_number: str
    vendor: str = "KAM"
    consumption_type: str = "Heat"
    config_number: str = ""
    meter_number: str = ""

    @classmethod
    def of(cls, meter: SimulatedMeter) -> KemMeter:
        """The entry of a simulated meter; ValueError when it has no key."""
        if meter.key is None:
            raise ValueError(f"meter {meter.identification} has no key")
        return cls(
            serial_number=meter.identification,
            key=meter.key,
            name=meter.type.model.replace("MULTICAL ", "MC"),
            type_number=meter.type.type_number,
            vendor=meter.type.manufacturer,
            consumption_type=_CONSUMPTION.get(meter.type.medium, "Heat"),
        )


def kem_file(
    meters: Iterable[KemMeter], password: str, *, version: int = 1, zipped: bool = True, order: str = ""
) -> bytes:
    """A whole key file. ``version`` 1 is KEM, 2 is KEM2; zipped it is what one would name ``.zip.kem``.

    ValueError: the password is longer than 16 bytes in UTF-8, or there is no such version.
    """
    meters = list(meters)
    if version not in {1, 2}:
        raise ValueError(f"there is KEM (1) and KEM2 (2), not {version}")
    inner = _meters_in_order(meters, order) if version == 1 else _devices(meters)
    outer = encrypted_xml(inner.encode(), password)
    if not zipped:
        return outer
    name = hashlib.sha256(outer).hexdigest()[:32].upper()
    schema = "meter_information_file.xsd" if version == 1 else "device_information_file.xsd"
    root = "MetersInOrder" if version == 1 else "Devices"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in (
            (schema, _SCHEMA.format(root=root).encode()),
            (f"{name}.{'kem' if version == 1 else 'kem2'}", outer),
        ):
            archive.writestr(zipfile.ZipInfo(entry, (2024, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def encrypted_xml(plain: bytes, password: str) -> bytes:
    """The plain XML inside XML-Enc's ``EncryptedData``, base64 broken into lines."""
    key = password.encode()
    if not 0 < len(key) <= 16:
        raise ValueError(f"the password of a key file has 1 to 16 bytes, not {len(key)}")
    key += bytes(16 - len(key))
    # XML-Enc padding: anything, then in the last byte how many bytes were added.
    added = 16 - len(plain) % 16
    plain += hashlib.sha256(plain).digest()[: added - 1] + bytes((added,))
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key)).encryptor()
    text = base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return (
        f'<?xml version="1.0" encoding="utf-8"?><EncryptedData Type="{_XMLENC}aes128-cbc" xmlns="{_XMLENC}">'
        f'<EncryptionMethod Algorithm="{_XMLENC}aes128-cbc" /><CipherData><CipherValue>{lines}</CipherValue>'
        "</CipherData></EncryptedData>\n"
    ).encode()


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _meters_in_order(meters: Sequence[KemMeter], order: str) -> str:
    """The inner document of KEM."""
    out = ['<?xml version="1.0" encoding="utf-8"?>', f'<MetersInOrder orderid="{escape(order)}">']
    for each in meters:
        fields = (
            ("MeterName", each.name),
            ("ConsumptionType", each.consumption_type),
            ("MeterNo", each.meter_number or each.serial_number),
            ("SerialNo", each.serial_number),
            ("VendorId", each.vendor),
            ("ConfigNo", each.config_number or "0"),
            ("TypeNo", each.type_number or "0"),
        )
        body = "".join(_element(name, text) for name, text in fields)
        out.append(f"<Meter>{body}<EncKeys>{_element('DEK', each.key.hex().upper())}</EncKeys></Meter>")
    return "\n".join([*out, "</MetersInOrder>"])


def _devices(meters: Sequence[KemMeter]) -> str:
    """The inner document of KEM2."""
    out = ['<?xml version="1.0" encoding="utf-8"?>', "<Devices>"]
    for each in meters:
        fields = (
            ("SerialNumber", each.serial_number),
            ("ManufacturerId", each.vendor),
            ("ShortName", each.name),
            ("ConsumptionTypeName", each.consumption_type),
            ("CustomerDeviceNumber", each.meter_number or each.serial_number),
            ("ConfigNumber", each.config_number or "0"),
            ("TypeNumber", each.type_number or "0"),
        )
        body = "".join(_element(name, text) for name, text in fields)
        key = _element("Name", "DEK") + _element("Value", each.key.hex().upper())
        out.append(f"<Device>{body}<Keys><Key>{key}</Key></Keys></Device>")
    return "\n".join([*out, "</Devices>"])


_SCHEMA = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="{root}"/></xs:schema>\n'
)
