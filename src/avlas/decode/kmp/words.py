"""The words of explained KMP frames in Swedish and English."""

from __future__ import annotations

import re

from avlas.decode.words import span_text

TEXTS: dict[str, dict[str, str]] = {
    "request": {"en": "request to the meter", "sv": "fråga till mätaren"},
    "answer": {"en": "answer of the meter", "sv": "svar från mätaren"},
    "acknowledgement": {"en": "acknowledgement of the meter", "sv": "kvittens från mätaren"},
    "link": {"en": "Frame", "sv": "Ram"},
    "apl": {"en": "Command and data", "sv": "Kommando och data"},
    "undated": {"en": "No moment", "sv": "Ingen tidpunkt"},
    "serial": {"en": "Serial number", "sv": "Serienummer"},
}

ADVICE: dict[str, dict[str, tuple[str, str]]] = {  # error kind -> title and what to do
    "frame_error": {
        "en": (
            "The frame is damaged",
            (
                "Give one frame, from 80 or 40 to 0D, with its stuffing, or the byte 06. If it came like this from the "
                "meter: clean the optical eye, set the head straight, and ask again."
            ),
        ),
        "sv": (
            "Ramen är skadad",
            (
                "Ange en ram, från 80 eller 40 till 0D, med sin utfyllnad, eller byten 06. Om den kom så från mätaren: "
                "torka av det optiska ögat, sätt huvudet rakt och fråga igen."
            ),
        ),
    },
    "record_error": {
        "en": (
            "The data do not fit the command",
            "Ask again. If the meter always answers like this, keep the frame and report it with the meter's model.",
        ),
        "sv": (
            "Data passar inte kommandot",
            "Fråga igen. Om mätaren alltid svarar så: spara ramen och rapportera den med mätarens modell.",
        ),
    },
}

_SV = {
    "start": "start",
    "stop": "slut",
    "address": "adress",
    "command": "kommando",
    "to the meter": "till mätaren",
    "from the meter": "från mätaren",
    "the meter": "mätaren",
    "logger of the top module": "loggern i toppmodulen",
    "logger of the base module": "loggern i bottenmodulen",
    "another device": "en annan enhet",
    "acknowledgement": "kvittens",
    "done as asked": "gjort som begärt",
    "right": "rätt",
    "unknown": "okänt",
    "data": "data",
    "register": "register",
    "unit": "enhet",
    "length": "längd",
    "sign, exponent": "tecken, exponent",
    "integer": "heltal",
    "meter type": "mätartyp",
    "software": "program",
    "serial number": "serienummer",
    "date": "datum",
    "time": "tid",
    "password": "lösenord",
    "order": "order",
    "mask": "mask",
    "log": "logg",
    "logger": "logger",
    "question": "fråga",
    "number of registers": "antal register",
    "number of rows": "antal rader",
    "longest answer": "längsta svar",
    "row": "rad",
    "offset": "förskjutning",
    "row read last": "senast lästa rad",
    "newest row": "nyaste rad",
    "first row": "första rad",
    "info": "info",
    "dates and their formats": "datum och deras format",
    "longest interval, interval": "längsta intervall, intervall",
    "depth": "djup",
    "state": "läge",
    "voltage, relay": "spänning, relä",
    "event status": "händelsestatus",
    "all well": "inga avvikelser",
    "no value": "inget värde",
    # loggers
    "configuration log": "konfigurationslogg",
    "info log": "infologg",
    "yearly log": "årslogg",
    "monthly log": "månadslogg",
    "daily log": "dygnslogg",
    "hourly log": "timlogg",
    "minute log 1": "minutlogg 1",
    "minute log 2": "minutlogg 2",
    "software download log 1": "logg för programhämtning 1",
    "software download log 2": "logg för programhämtning 2",
    # info bits of logs
    "the log is empty": "loggen är tom",
    "out of range": "utanför loggen",
    "cut at the longest answer": "avklippt vid längsta svar",
    "end of the log reached": "loggens slut nått",
    "no entries": "inga poster",
    "unknown register": "okänt register",
    "entries cut": "poster avklippta",
    "format changed": "formatet ändrat",
    "oldest entry reached": "äldsta posten nådd",
    "newest entry reached": "nyaste posten nådd",
    "memory error": "minnesfel",
    "invalid": "ogiltigt",
    "registers cut": "register avklippta",
    # supply of electricity meters
    "disconnect": "koppla från",
    "release for reconnection": "frige för inkoppling",
    "reconnect": "koppla in",
    "no cut-off": "ingen frånkoppling",
    "off by command": "från, på kommando",
    "on": "till",
    "warning": "varning",
    "off by limit": "från, gräns nådd",
    "off by prepayment": "från, förbetalning",
    "released": "frigiven",
    "prepayment expired": "förbetalningen slut",
    "off by button": "från, med knapp",
    # units
    "bits": "bitar",
    "text": "text",
    "date and time": "datum och tid",
    "top module": "toppmodul",
    "base module": "bottenmodul",
}
_PATTERNS_SV = tuple(
    (re.compile(pattern), swedish)
    for pattern, swedish in (
        (r"^right; (\d+) bytes 1B of stuffing taken out$", r"rätt; \1 byte 1B utfyllnad borttagna"),
        (r"^minus, ", "minus, "),
        (r"^unit (\d+) is not known$", r"enhet \1 är inte känd"),
        (r"^bit (\d+)$", r"bit \1"),
        (r", 4-wire$", ", 4-ledare"),
    )
)


def say(text: str, language: str) -> str:
    """A byte range's name or meaning, or an error of a value, in the language; lists part by part."""
    if language != "sv":
        return text
    if text in _SV:
        return _SV[text]
    for pattern, swedish in _PATTERNS_SV:
        if pattern.search(text):
            return pattern.sub(swedish, text)
    if ", " in text:
        return ", ".join(say(part, language) for part in text.split(", "))
    number, _, rest = text.partition(" ")
    return f"{number} {_SV[rest]}" if number.isdecimal() and rest in _SV else span_text(text, language)
