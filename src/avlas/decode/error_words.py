"""The decoder's error messages in Swedish. The decoder raises them in English; here each gets its pattern."""

from __future__ import annotations

import re

_N = r"(\S+)"
_PATTERNS = tuple(
    (re.compile(pattern), swedish)
    for pattern, swedish in (
        # link layer and frames
        (r"no bytes at all", "inga byte alls"),
        (
            rf"{_N} bytes are too few for a wireless frame with CRCs",
            r"\1 byte är för få för en radioram med CRC",
        ),
        (rf"{_N} bytes are too few for a wireless frame", r"\1 byte är för få för en radioram"),
        (
            rf"L-field {_N} is too small for a format A frame",
            r"L-fältet \1 är för litet för en ram i format A",
        ),
        (
            rf"L-field {_N} is impossible for a format B frame",
            r"L-fältet \1 är omöjligt för en ram i format B",
        ),
        (rf"L-field {_N} is too small: .*", r"L-fältet \1 är för litet: C, A och CI är tre byte"),
        (rf"L-field announces {_N} bytes, only {_N} are there", r"L-fältet utlovar \1 byte, bara \2 finns"),
        (rf"L-field announces {_N} bytes, {_N} are there", r"L-fältet utlovar \1 byte, \2 finns"),
        (rf"frame ends after {_N} bytes inside block {_N}", r"ramen slutar efter \1 byte, mitt i block \2"),
        (
            r"link CRC of (.+) is wrong: the frame was damaged on its way",
            r"länk-CRC är fel (\1): ramen skadades på vägen",
        ),
        (rf"byte {_N} is not 3-out-of-6 coded", r"byte \1 är inte kodad som 3 av 6"),
        (rf"start byte {_N} is none of E5, 10, 68", r"startbyten \1 är varken E5, 10 eller 68"),
        (rf"stop byte is {_N}, not 16", r"slutbyten är \1, inte 16"),
        (rf"check sum is {_N}, the bytes give {_N}", r"kontrollsumman är \1, av byten blir den \2"),
        (r"the head of a long frame is 68 L L 68", "en lång ram börjar med 68 L L 68"),
        (rf"a short frame has 5 bytes, this one {_N}", r"en kort ram har 5 byte, den här \1"),
        (r"E5 is an acknowledgement: it carries no values", "E5 är en kvittens: den bär inga värden"),
        (rf"a short frame \(C {_N}\) carries no values", r"en kort ram (C \1) bär inga värden"),
        (
            rf"C-field {_N}: the master sent this, it is no meter's answer",
            r"C-fält \1: mastern sände detta, det är inget svar från en mätare",
        ),
        # headers
        (r"nothing follows the address: no CI field", "inget följer efter adressen: CI-fältet saknas"),
        (r"the telegram ends where a CI field should stand", "telegrammet slutar där ett CI-fält skulle stå"),
        (
            rf"the extended link layer \(CI {_N}\) is cut short",
            r"det utökade länkskiktet (CI \1) är avklippt",
        ),
        (
            r"the extended link layer ends before its payload",
            "det utökade länkskiktet slutar före innehållet",
        ),
        (
            r"the payload CRC of the extended link layer is wrong: damaged on its way",
            "CRC för innehållet är fel: telegrammet skadades på vägen",
        ),
        (
            rf"CI {_N} needs a header of {_N} bytes, {_N} are left",
            r"CI \1 behöver ett huvud på \2 byte, \3 finns kvar",
        ),
        (rf"CI {_N} \((.+)\) is not supported", r"CI \1 (\2) stöds inte"),
        (r"the configuration field extension is missing", "konfigurationsfältets tillägg saknas"),
        (r"the authentication layer \(CI 90\) is cut short", "autentiseringsskiktet (CI 90) är avklippt"),
        (rf"AFLL {_N} is too small for the field {_N}", r"AFLL \1 är för litet för fältet \2"),
        (
            rf"fragment {_N} of a longer message(?:, more follow)?: all must be put together",
            r"fragment \1 av ett längre meddelande: alla måste sättas ihop",
        ),
        # security
        (
            r"the content is encrypted \((.+)\): the meter's key is needed",
            r"innehållet är krypterat (\1): mätarens nyckel behövs",
        ),
        (
            r"the payload CRC is wrong after decryption: the key does not fit this meter",
            "CRC för innehållet är fel efter dekryptering: nyckeln passar inte mätaren",
        ),
        (
            r"decrypted, but the payload CRC is wrong: the telegram was damaged on its way",
            "dekrypterat, men CRC för innehållet är fel: telegrammet skadades på vägen",
        ),
        (
            r"decrypted with (.+) it does not begin with 2F 2F: the key does not fit",
            r"dekrypterat med \1 börjar det inte med 2F 2F: nyckeln passar inte",
        ),
        (
            rf"the key has {_N} bytes; AES-128 needs {_N} \(32 hexadecimal digits\)",
            r"nyckeln har \1 byte; AES-128 behöver \2 (32 hexadecimala siffror)",
        ),
        (
            rf"the key has {_N} bytes; DES needs {_N} \(16 hexadecimal digits\)",
            r"nyckeln har \1 byte; DES behöver \2 (16 hexadecimala siffror)",
        ),
        (
            rf"{_N} encrypted bytes are announced: DES has blocks of {_N}",
            r"\1 krypterade byte utlovas: DES har block om \2",
        ),
        (rf"{_N} encrypted bytes are announced, {_N} are there", r"\1 krypterade byte utlovas, \2 finns"),
        (
            r"security mode 3 needs the day on which the meter encrypted: the telegram does not say it",
            "säkerhetsläge 3 behöver dagen då mätaren krypterade: telegrammet säger inte vilken det var",
        ),
        (
            r"the MAC does not fit: the key is not this meter's",
            "MAC stämmer inte: nyckeln är inte den här mätarens",
        ),
        (
            r"the MAC is wrong although the key fits: the telegram was damaged or changed",
            "MAC är fel fast nyckeln passar: telegrammet är skadat eller ändrat",
        ),
        (rf"authentication type {_N} is not known", r"autentiseringstyp \1 är inte känd"),
        (
            rf"encryption {_N} of the extended link layer is reserved",
            r"kryptering \1 i det utökade länkskiktet är reserverad",
        ),
        (r"security (.+) is not supported", r"säkerhet \1 stöds inte"),
        (
            r"security mode 7 needs the message counter of an authentication layer",
            "säkerhetsläge 7 behöver meddelanderäknaren i ett autentiseringsskikt",
        ),
        (
            rf"{_N} encrypted blocks are announced, {_N} bytes are there",
            r"\1 krypterade block utlovas, \2 byte finns",
        ),
        # application layer
        (
            rf"compact frame of format {_N}: .*",
            r"kompakt ram i format \1: en fullständig ram måste lära ut dess layout först",
        ),
        (
            r"the compact frame ends inside its format signature or CRC",
            "den kompakta ramen slutar inne i sin formatsignatur eller CRC",
        ),
        (
            r"the full-frame CRC is wrong: the telegram was damaged on its way",
            "CRC för hela ramen är fel: telegrammet skadades på vägen",
        ),
        (
            rf"the layout learnt for format {_N} does not fit this telegram",
            r"layouten som lärts in för format \1 passar inte det här telegrammet",
        ),
        (r"the layout does not fit: (.+)", r"layouten passar inte: \1"),
        (
            rf"{_N} bytes are left over after the last value of the layout",
            r"\1 byte blir över efter layoutens sista värde",
        ),
        (
            r"the format frame's signature does not fit its DIF/VIF bytes",
            "formatramens signatur stämmer inte med dess DIF/VIF-byte",
        ),
        (rf"DIF {_N} at byte {_N} is reserved", r"DIF \1 vid byte \2 är reserverad"),
        (
            rf"DIF {_N} at byte {_N}: a special function cannot be extended",
            r"DIF \1 vid byte \2: en specialfunktion kan inte utökas",
        ),
        (
            rf"LVAR {_N} is reserved: the length of the field is unknown",
            r"LVAR \1 är reserverad: fältets längd är okänd",
        ),
        (rf"more than {_N} extensions of the {_N} at byte {_N}", r"fler än \1 tillägg till \2 vid byte \3"),
        (rf"the data ends before the LVAR byte {_N}", r"data slutar före LVAR vid byte \1"),
        (rf"the data ends before the VIF at byte {_N}", r"data slutar före VIF vid byte \1"),
        (
            rf"the data ends inside the text of the VIF at byte {_N}",
            r"data slutar inne i VIF:ens text vid byte \1",
        ),
        (
            rf"the data ends inside the {_N} that begins at byte {_N}",
            r"data slutar inne i \1 som börjar vid byte \2",
        ),
        (
            rf"the data field at byte {_N} needs {_N} bytes, {_N} are left",
            r"datafältet vid byte \1 behöver \2 byte, \3 finns kvar",
        ),
        (
            rf"the fixed data structure needs {_N} bytes, {_N} are left",
            r"den fasta datastrukturen behöver \1 byte, \2 finns kvar",
        ),
        (r"the meter answers: (.+)", r"mätaren svarar: \1"),
        # manufacturers' own payloads
        (
            r"PRIOS with a key of its own: neither of the maker's default keys fits",
            "PRIOS med egen nyckel: ingen av tillverkarens standardnycklar passar",
        ),
        (
            r"PRIOS: neither the key given nor the maker's default keys fit this meter",
            "PRIOS: varken den angivna nyckeln eller tillverkarens standardnycklar passar mätaren",
        ),
        (
            r"PRIOS: the check byte fits, the values are impossible: damaged on its way",
            "PRIOS: kontrollbyten stämmer men värdena är omöjliga: telegrammet skadades på vägen",
        ),
        (
            r"obfuscated with a key of its own: neither of the maker's default keys fits",
            "maskerat med egen nyckel: ingen av tillverkarens standardnycklar passar",
        ),
        (
            r"obfuscated: neither the key given nor the maker's default keys fit this meter",
            "maskerat: varken den angivna nyckeln eller tillverkarens standardnycklar passar mätaren",
        ),
        (
            rf"an Apator NA-1 sends {_N} bytes, {_N} are there",
            r"en Apator NA-1 sänder \1 byte, \2 finns",
        ),
        (
            r"the content is encrypted \(mode 5\), not with the key of zeros: a key is needed",
            "innehållet är krypterat (läge 5), inte med nollnyckeln: en nyckel behövs",
        ),
        (
            r"decrypted with mode 5 it is no block of an Apator NA-1: the key does not fit",
            "dekrypterat med läge 5 är det inget block från en Apator NA-1: nyckeln passar inte",
        ),
        # KMP
        (
            rf"byte {_N} at place {_N} never stands bare inside a frame: damaged",
            r"byten \1 på plats \2 står aldrig naken inne i en ram: skadad",
        ),
        (
            rf"byte 1B at place {_N} is the last one: the byte it stands for is missing",
            r"byten 1B på plats \1 är den sista: den byte den står för saknas",
        ),
        (
            rf"1B {_N} at place {_N} stands for no byte: damaged",
            r"1B \1 på plats \2 står inte för någon byte: skadad",
        ),
        (
            rf"the frame ends at place {_N}, and {_N} bytes follow: one frame at a time",
            r"ramen slutar på plats \1, och \2 byte följer: en ram i taget",
        ),
        (rf"start byte {_N} is neither 80 nor 40", r"startbyten \1 är varken 80 eller 40"),
        (
            rf"the frame ends with {_N} instead of the stop byte 0D",
            r"ramen slutar med \1 i stället för slutbyten 0D",
        ),
        (
            rf"{_N} bytes between start and stop are too few: address, command and CRC are four",
            r"\1 byte mellan start och slut är för få: adress, kommando och CRC är fyra",
        ),
        (
            rf"CRC is {_N}, the bytes give {_N}: damaged on its way",
            r"CRC är \1, av byten blir den \2: skadad på vägen",
        ),
        (
            r"the frame breaks off: its stop byte never came",
            "ramen bryter av: dess slutbyte kom aldrig",
        ),
        (
            rf"{_N} bytes are left over after the last field, from byte {_N} on",
            r"\1 byte blir över efter sista fältet, från byte \2",
        ),
        (rf"{_N} {_N} is no date and time", r"\1 \2 är inget datum med tid"),
        (rf"the time at byte {_N} is impossible: {_N}", r"tiden vid byte \1 är omöjlig: \2"),
        (
            r"no register of the log tells a date: ask for 348, or for 1003 and 1002, besides the others",
            "inget register i loggen anger datum: fråga efter 348, eller efter 1003 och 1002, utöver de andra",
        ),
        # the command line's own
        (
            rf"{_N} hexadecimal digits are no whole number of bytes",
            r"\1 hexadecimala siffror är inget helt antal byte",
        ),
        (rf"no hexadecimal digit at place {_N}: (.+)", r"ingen hexadecimal siffra på plats \1: \2"),
        (
            r"a line is HEX or HEX KEY; there are more words in it",
            "en rad är HEX eller HEX NYCKEL; här står fler ord",
        ),
        (
            rf"a key is {_N} hexadecimal digits \({_N} for DES\), not {_N}",
            r"en nyckel är \1 hexadecimala siffror (\2 för DES), inte \3",
        ),
        (
            r"there is another sign than hexadecimal digits in the key",
            "nyckeln har andra tecken än hexadecimala siffror",
        ),
    )
)


def error_text(message: str, language: str) -> str:
    """An error's message in the language; one that has no translation stays English."""
    if language == "sv":
        for pattern, swedish in _PATTERNS:
            if pattern.fullmatch(message):
                return pattern.sub(swedish, message)
    return message
