"""Key files, opened with the cipher and the XML parser alone."""

import base64
import io
import zipfile
from xml.etree import ElementTree as ET

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from avlas.simulate import samples
from avlas.simulate.kem import KemMeter, encrypted_xml, kem_file

NAMESPACE = "{http://www.w3.org/2001/04/xmlenc#}"
METERS = [
    KemMeter.of(meter) for name in ("multical403", "flowiq2200") for meter in samples.meters(name, 2, 4)
]


def plain(outer: bytes, password: str) -> bytes:
    root = ET.fromstring(outer)
    assert root.tag == NAMESPACE + "EncryptedData"
    cipher_text = base64.b64decode(root.find(f".//{NAMESPACE}CipherValue").text)
    key = password.encode().ljust(16, b"\0")
    text = Cipher(algorithms.AES(key), modes.CBC(key)).decryptor().update(cipher_text)
    return text[: -text[-1]]


@pytest.mark.parametrize("password", ["x", "secret", "exactly16letters", "lösen"])
@pytest.mark.parametrize("size", range(40, 57))
def test_round_trip(password, size):
    assert plain(encrypted_xml(b"<" * size, password), password) == b"<" * size


@pytest.mark.parametrize("password", ["", "seventeen letters", "ö" * 9])
def test_password_length(password):
    with pytest.raises(ValueError, match="1 to 16 bytes"):
        encrypted_xml(b"<a/>", password)


def test_kem():
    root = ET.fromstring(plain(kem_file(METERS, "secret", zipped=False), "secret"))
    assert root.tag == "MetersInOrder"
    meters = root.findall("Meter")
    assert [each.findtext("SerialNo") for each in meters] == [each.serial_number for each in METERS]
    assert [bytes.fromhex(each.findtext(".//DEK")) for each in meters] == [each.key for each in METERS]
    assert meters[0].findtext("MeterName") == "MC403"
    assert meters[0].findtext("VendorId") == "KAM"
    assert meters[2].findtext("VendorId") == "KAW"
    assert meters[2].findtext("ConsumptionType") == "VolumeCold"


def test_kem2():
    root = ET.fromstring(plain(kem_file(METERS, "secret", version=2, zipped=False), "secret"))
    assert root.tag == "Devices"
    devices = root.findall("Device")
    assert [each.findtext("SerialNumber") for each in devices] == [each.serial_number for each in METERS]
    assert {each.findtext(".//Key/Name") for each in devices} == {"DEK"}
    assert [bytes.fromhex(each.findtext(".//Key/Value")) for each in devices] == [each.key for each in METERS]


@pytest.mark.parametrize(("version", "ending"), [(1, ".kem"), (2, ".kem2")])
def test_zip_holds_the_file_and_a_schema(version, ending):
    content = kem_file(METERS, "secret", version=version)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        inner = next(name for name in names if name.endswith(ending))
        assert plain(archive.read(inner), "secret")
    assert any(name.endswith(".xsd") for name in names)
    assert content == kem_file(METERS, "secret", version=version)


def test_text_is_escaped():
    odd = KemMeter("12345678", bytes(16), "A<B>&C", "t")
    root = ET.fromstring(plain(kem_file([odd], "p", zipped=False), "p"))
    assert root.findtext("Meter/MeterName") == "A<B>&C"


def test_refusals():
    with pytest.raises(ValueError, match="KEM2"):
        kem_file(METERS, "p", version=3)
    with pytest.raises(ValueError, match="no key"):
        KemMeter.of(samples.meters("multical603_wired", 1, 1)[0])
