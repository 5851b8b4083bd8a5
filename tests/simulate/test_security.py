"""Encryption against published vectors and against a cipher used by hand."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from avlas.simulate import frames, security

KEY = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")


def block(key: bytes, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(data)


def test_fips_197():
    key = bytes(range(16))
    assert (
        block(key, bytes.fromhex("00112233445566778899AABBCCDDEEFF")).hex()
        == "69c4e0d86a7b0430d8cdb78070b4c55a"
    )


def test_cmac_rfc_4493():
    message = bytes.fromhex(
        "6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E51"
        "30C81C46A35CE411E5FBC1191A0A52EFF69F2445DF4F9B17AD2B417BE66C3710"
    )
    assert security.cmac(KEY, b"").hex() == "bb1d6929e95937287fa37d129b756746"
    assert security.cmac(KEY, message[:16]).hex() == "070a16b46b4d4144f79bdd9dd04a287c"
    assert security.cmac(KEY, message[:40]).hex() == "dfa66747de9ae63030ca32611497c827"
    assert security.cmac(KEY, message).hex() == "51f0bebf7e3b9d92fc49741779363cfe"


def test_oms_annex_n_1_1_mode_5():
    """The gas meter of OMS vol. 2, annex N.1.1: key, plain text and cipher text as printed."""
    key = bytes.fromhex("0102030405060708090A0B0C0D0E0F11")
    address = frames.address("ELS", "12345678", 0x33, 0x03)
    plain = security.fill(bytes.fromhex("0C1427048502046D32371F1502FD170000"))
    assert security.mode_5_configuration(plain).hex() == "2025"
    encrypted = security.mode_5(key, address, 0x2A, plain)
    assert encrypted.hex().upper() == "5923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3"


def test_oms_annex_n_1_3_mode_7():
    """The gas meter with security profile B, annex N.1.3: derived keys, cipher text, MAC, whole frame."""
    key = bytes(range(16))
    address = frames.address("ELS", "12345678", 0x33, 0x03)
    counter = 0xAB3
    encryption_key, mac_key = security.mode_7_keys(key, counter, address[2:6])
    assert encryption_key.hex().upper() == "ECCF39D475D730B8284FDFDC1995D52F"
    assert mac_key.hex().upper() == "C9CD19FF5A9AAD5A6BBDA13BD2C4C7AD"
    plain = security.fill(bytes.fromhex("0C1427048502046D32371F1502FD170000"))
    assert security.mode_7_configuration(plain).hex() == "200710"
    message = frames.tpl_short(
        0x75, 0, bytes.fromhex("200710"), security.mode_7(key, counter, address[2:6], plain)
    )
    mac = security.mode_7_mac(key, counter, address[2:6], message)
    frame = frames.link(address, frames.ell_short(0x75) + frames.afl(counter, mac) + message)
    assert frame.hex().upper() == (
        "434493157856341233038C2075900F002C25B30A000021924D4F2FB66E01"
        "7A75002007109058475F4BC91DF878B80A1B0F98B629024AAC727942BFC549233C0140829B93"
    )


def test_ell_ctr_is_the_key_stream_of_its_initial_vector():
    address = frames.address("KAM", "12345678", 0x34, 0x0C)
    session = frames.session_number(123456, 3)
    content = b"\x78" + bytes(range(40))
    encrypted = security.ell_ctr(KEY, address, 0x20, session, content)
    stream = b"".join(block(KEY, address + b"\x20" + session + b"\x00\x00" + bytes((n,))) for n in range(3))
    plain = bytes(a ^ b for a, b in zip(encrypted, stream, strict=False))
    assert plain == frames.crc(content).to_bytes(2, "little") + content


def test_ell_ctr_ignores_what_a_repeater_changes():
    address, session = bytes(8), bytes(4)
    assert security.ell_ctr(KEY, address, 0x20, session, b"abc") == security.ell_ctr(
        KEY, address, 0x32, session, b"abc"
    )


def test_fill_begins_with_the_check_bytes_and_ends_on_a_block():
    for size in range(40):
        plain = security.fill(bytes(size))
        assert plain[:2] == b"\x2f\x2f"
        assert len(plain) % 16 == 0
        assert len(plain) - size - 2 < 16
        assert set(plain[2 + size :]) <= {0x2F}
