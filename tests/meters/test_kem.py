"""KEM and KEM2 files, made here by hand from the published description, with invented meters and keys."""

from __future__ import annotations

import base64
import io
import struct
import zipfile

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import example, given
from hypothesis import strategies as st

from avlas.meters import kem, key_text
from avlas.meters.kem import (
    KemDamaged,
    KemError,
    KemTooLarge,
    KemUnsupported,
    NotKem,
    PasswordNeeded,
    WrongPassword,
    read_kem,
)
from avlas.simulate import kem as simulated
from avlas.simulate.meter import SimulatedMeter

KEY = "0F1E2D3C4B5A69788796A5B4C3D2E1F0"
PASSWORD = "fjärrvärme"  # 12 bytes in UTF-8

KEM_METER = """<Meter><MeterNo>70{n:06}</MeterNo><SerialNo>61{n:06}</SerialNo><EncKeys><DEK>{key}</DEK></EncKeys>
<MeterName>MC403</MeterName><ConsumptionType>Heat</ConsumptionType><ConfigNo>3191420033</ConfigNo>
<ProgramNo></ProgramNo><TypeNo>403W30T0419</TypeNo><VendorId>KAM</VendorId></Meter>"""

KEM2_DEVICE = """<Device><DeviceId><SerialNumber>61{n:06}</SerialNumber></DeviceId>
<CustomerDeviceNumber>70{n:06}</CustomerDeviceNumber><ShortName>KWM2210</ShortName>
<ConsumptionTypeName>Water</ConsumptionTypeName><ManufacturerId>KAW</ManufacturerId>
<ConfigNumber>12</ConfigNumber><TypeNumber>02W</TypeNumber>
<Keys><Key><Name>GPK60</Name><Value>{other}</Value></Key><Key><Name>DEK</Name><Value>{key}</Value></Key></Keys></Device>"""


def kem_xml(*meters: str) -> bytes:
    body = "".join(meters)
    return f'<?xml version="1.0" encoding="utf-8"?><MetersInOrder orderid="" schemaVersion="2.0">{body}</MetersInOrder>'.encode()


def kem2_xml(*devices: str) -> bytes:
    return f'<Devices schemaVersion="1.0">{"".join(devices)}</Devices>'.encode()


def fill_last_block(plain: bytes, how: str) -> bytes:
    """The three ways a last block is filled: zero bytes, random bytes with their number last, PKCS 7."""
    missing = 16 - len(plain) % 16
    if how == "zero":
        return plain + bytes(missing % 16)
    if how == "iso10126":
        return plain + b">\x80<\xff\x00\x01>abcdefgh"[: missing - 1] + bytes([missing])
    return plain + bytes([missing]) * missing


def sealed(
    plain: bytes, password: str = PASSWORD, how: str = "iso10126", method: str = "aes128-cbc"
) -> bytes:
    key = password.encode().ljust(16, b"\0")
    cipher = Cipher(algorithms.AES(key), modes.CBC(key)).encryptor()
    value = base64.encodebytes(cipher.update(fill_last_block(plain, how))).decode()
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<EncryptedData Type="http://www.w3.org/2001/04/xmlenc#aes128-cbc" xmlns="http://www.w3.org/2001/04/xmlenc#">'
        f'<EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#{method}" />'
        f"<CipherData><CipherValue>\n{value}</CipherValue></CipherData></EncryptedData>"
    ).encode()


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return out.getvalue()


def one_kem(n: int = 1, key: str = KEY) -> str:
    return KEM_METER.format(n=n, key=key)


def one_kem2(n: int = 1, key: str = KEY) -> str:
    return KEM2_DEVICE.format(n=n, key=key, other="AA" * 16)


def test_kem_tells_everything_about_the_meter():
    (entry,) = read_kem(sealed(kem_xml(one_kem())), PASSWORD).entries
    assert entry.key == bytes.fromhex(KEY)
    assert (entry.manufacturer, entry.identification) == ("KAM", "61000001")
    assert (entry.meter_type, entry.medium, entry.vendor) == ("MC403", "Heat", "KAM")
    assert (entry.type_number, entry.config) == ("403W30T0419", "3191420033")
    assert (entry.customer_number, entry.serial) == ("70000001", "61000001")


def test_kem2_takes_the_key_named_dek_among_several():
    (entry,) = read_kem(sealed(kem2_xml(one_kem2())), PASSWORD).entries
    assert entry.key == bytes.fromhex(KEY)
    assert (entry.manufacturer, entry.identification, entry.meter_type) == ("KAW", "61000001", "KWM2210")
    assert (entry.medium, entry.config, entry.type_number) == ("Water", "12", "02W")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("as_zip", [True, False])
def test_files_made_by_the_simulator(version, as_zip):
    meters = [SimulatedMeter.of("multical403", f"62{n:06}", bytes([n]) * 16) for n in range(40)]
    data = simulated.kem_file(
        map(simulated.KemMeter.of, meters), "Ystad 2026", version=version, zipped=as_zip
    )
    result = read_kem(data, "Ystad 2026")
    assert {(e.manufacturer, e.identification): e.key for e in result.entries} == {
        ("KAM", meter.identification): meter.key for meter in meters
    }
    assert {entry.meter_type for entry in result.entries} == {"MC403"}
    assert not result.problems
    with pytest.raises(WrongPassword):
        read_kem(data, "Ystad 2025")


def test_a_key_is_never_shown():
    result = read_kem(sealed(kem_xml(one_kem())), PASSWORD)
    assert KEY.lower() not in repr(result).lower()
    assert repr(bytes.fromhex(KEY)) not in repr(result)


@pytest.mark.parametrize("how", ["zero", "iso10126", "pkcs7"])
@pytest.mark.parametrize("blanks", range(17))
def test_every_way_of_filling_the_last_block(how, blanks):
    xml = kem_xml(one_kem()) + b"\n" * blanks
    assert len(read_kem(sealed(xml, how=how), PASSWORD).entries) == 1


def test_many_meters_in_a_zip_with_its_schema():
    data = zipped(
        A1B2__kem=sealed(kem_xml(*(one_kem(n) for n in range(500)))),
        meter_information_file__xsd=b"<schema/>",
    )
    result = read_kem(data, PASSWORD)
    assert [entry.identification for entry in result.entries] == [f"61{n:06}" for n in range(500)]
    assert not result.problems


def test_a_zip_in_a_zip_and_two_files_in_one():
    inner = zipped(a__kem=sealed(kem_xml(one_kem(1))), b__KEM2=sealed(kem2_xml(one_kem2(2))))
    result = read_kem(zipped(delivery__zip=inner), PASSWORD)
    assert {entry.identification for entry in result.entries} == {"61000001", "61000002"}


def test_an_already_opened_file_needs_no_password():
    assert len(read_kem(kem_xml(one_kem())).entries) == 1
    assert len(read_kem(b"\xef\xbb\xbf" + kem2_xml(one_kem2())).entries) == 1


def test_no_password_and_wrong_passwords_say_so():
    data = sealed(kem_xml(one_kem()))
    for nothing in (None, ""):
        with pytest.raises(PasswordNeeded, match="password"):
            read_kem(data, nothing)
    for wrong in ("Fjärrvärme", "x", " ", "a" * 16):
        with pytest.raises(WrongPassword, match="wrong"):
            read_kem(data, wrong)
    with pytest.raises(WrongPassword, match="16"):
        read_kem(data, "a password that is far too long")


def test_a_password_copied_with_blanks_around_it_opens_the_file():
    assert read_kem(sealed(kem_xml(one_kem())), f" {PASSWORD}\n").entries


@given(password=st.text(max_size=20))
@example(password=PASSWORD + "\0")
def test_no_other_password_opens_the_file(password):
    if password.strip().rstrip("\0") == PASSWORD:
        return  # filling with zero bytes makes it the same key
    with pytest.raises((WrongPassword, PasswordNeeded)):
        read_kem(sealed(kem_xml(one_kem())), password)


def test_a_bad_meter_does_not_stop_the_others():
    result = read_kem(
        kem_xml(one_kem(1), one_kem(2, "XYZ"), one_kem(3, ""), one_kem(4, KEY[:-2]), one_kem(5))
    )
    assert [entry.identification for entry in result.entries] == ["61000001", "61000005"]
    assert [(problem.kind, problem.number) for problem in result.problems] == [
        ("meter", 2),
        ("meter", 3),
        ("meter", 4),
    ]
    assert "no key" in str(result.problems[1].error)
    assert "30" in str(result.problems[2].error)


def test_two_keys_for_one_meter_are_told():
    result = read_kem(kem_xml(one_kem(1), one_kem(1), one_kem(1, "11" * 16)))
    assert [entry.key for entry in result.entries] == [bytes.fromhex(KEY)]
    assert [problem.number for problem in result.problems] == [3]


def test_a_list_cut_short_gives_the_meters_before():
    xml = kem_xml(*(one_kem(n) for n in range(10)))
    result = read_kem(sealed(xml[: len(xml) // 2]), PASSWORD)
    assert 3 <= len(result.entries) <= 5
    assert isinstance(result.problems[-1].error, KemDamaged)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", NotKem),
        (b"serial;key\n", NotKem),
        (b"\x89PNG\r\n", NotKem),
        (kem_xml(), NotKem),
        (zipped(readme__txt=b"nothing"), NotKem),
        (b"<EncryptedData><CipherData><CipherValue>AAAA", KemDamaged),
        (
            b"<EncryptedData><CipherData><CipherValue>####</CipherValue></CipherData></EncryptedData>",
            KemDamaged,
        ),
        (
            b"<EncryptedData><CipherData><CipherValue>AAAA</CipherValue></CipherData></EncryptedData>",
            KemDamaged,
        ),
        (b"<EncryptedData/>", KemDamaged),
        (zipped(a__kem=kem_xml(one_kem()))[:-30], KemDamaged),
        (sealed(kem_xml(one_kem()), method="aes256-cbc"), KemUnsupported),
    ],
)
def test_each_kind_of_bad_file_has_its_own_answer(data, error):
    with pytest.raises(error):
        read_kem(data, PASSWORD)


def test_the_right_password_with_damaged_content_says_damaged():
    data = bytearray(sealed(b"<MetersInOrder><Meter>" + b"x" * 100))
    with pytest.raises(KemDamaged):
        read_kem(bytes(data), PASSWORD)


def test_a_locked_zip_says_so():
    data = bytearray(zipped(a__kem=kem_xml(one_kem())))
    central = data.index(b"PK\x01\x02")
    for offset in (6, central + 8):  # general purpose flags: encrypted
        data[offset] |= 1
    with pytest.raises(KemUnsupported, match="locked"):
        read_kem(bytes(data), PASSWORD)


def test_a_zip_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(kem, "LIMIT_BYTES", 100_000)
    bomb = zipped(a__kem=b"<MetersInOrder>" + b" " * 10_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(KemTooLarge):
        read_kem(bomb)
    many = zipped(**{f"f{n}__kem": b" " * 20_000 for n in range(6)})
    with pytest.raises(KemError):
        read_kem(many)
    with pytest.raises(KemTooLarge):
        read_kem(b"<" + b" " * 100_000)


def test_a_zip_that_lies_about_its_size_is_refused(monkeypatch):
    monkeypatch.setattr(kem, "LIMIT_BYTES", 100_000)
    data = bytearray(zipped(a__kem=b"<MetersInOrder>" + b" " * 1_000_000))
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 100)
    with pytest.raises(KemError):
        read_kem(bytes(data))


def test_xml_bombs_and_outside_references_are_refused(tmp_path):
    lol = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><MetersInOrder>&b;</MetersInOrder>'
    secret = tmp_path / "secret"
    secret.write_text("61000009")
    outside = (
        f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{secret}">]><MetersInOrder>&s;</MetersInOrder>'.encode()
    )
    deep = b"<a>" * 5000
    for xml in (lol, outside, sealed(lol), lol.decode().encode("utf-16")):
        with pytest.raises(KemUnsupported, match="DOCTYPE"):
            read_kem(xml, PASSWORD)
    with pytest.raises(KemTooLarge, match="deep"):
        read_kem(deep)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: b"PK\x03\x04" + tail))
def test_any_bytes_give_keys_or_a_kem_error(data):
    try:
        said = str(read_kem(data, PASSWORD))
    except KemError as error:
        said = str(error)
    assert said


@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["zip", "sealed", "plain"]))
def test_a_changed_byte_gives_keys_or_a_kem_error(position, value, kind):
    plain = kem_xml(one_kem(1), one_kem(2))
    data = bytearray({"plain": plain, "sealed": sealed(plain), "zip": zipped(a__kem=sealed(plain))}[kind])
    data[position % len(data)] = value
    try:
        result = read_kem(bytes(data), PASSWORD)
        told: tuple[object, ...] | str = result.entries + result.problems
    except KemError as error:
        told = str(error)
    assert told


def test_every_error_text_can_be_translated_with_its_values():
    with pytest.raises(KemError) as caught:
        read_kem(sealed(kem_xml(), method="aes256-cbc"), PASSWORD)
    assert caught.value.text % caught.value.values == str(caught.value)
    assert isinstance(caught.value, key_text.KeyFileError)
