"""What collecting and importing say to people, in English and Swedish, and what the drivers say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from avlas.collect.drivers import texts as drivers
from avlas.collect.drivers.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avlas.collect.drivers.heard import Notice

STATUS_LENGTH = 300

TEXTS: dict[str, Text] = {
    **drivers.TEXTS,
    # a collector and the database
    "starting": Text("starting", "startar"),
    "stopped": Text("stopped", "stoppad"),
    "database_locked": Text(
        "the database is locked by another program; {waiting} telegrams wait",
        "databasen är låst av ett annat program; {waiting} telegram väntar",
    ),
    "database_full": Text(
        "the disk is full; {waiting} telegrams wait until there is room",
        "disken är full; {waiting} telegram väntar tills det finns plats",
    ),
    "database_away": Text(
        "the database can't be written ({reason}); {waiting} telegrams wait",
        "det går inte att skriva i databasen ({reason}); {waiting} telegram väntar",
    ),
    "no_master_key": Text(
        "the master key is missing or is another one; put master.key back from the backup. "
        "{waiting} telegrams wait",
        "huvudnyckeln saknas eller är en annan; lägg tillbaka master.key från säkerhetskopian. "
        "{waiting} telegram väntar",
    ),
    "database_again": Text(
        "the database takes telegrams again",
        "databasen tar emot telegram igen",
    ),
    "put_aside": Text(
        "{telegrams} telegrams could not be stored before the stop; they wait in {path} and are "
        "stored at the "
        "next start",
        "{telegrams} telegram hann inte sparas före stoppet; de väntar i {path} och sparas vid nästa start",
    ),
    "put_aside_lost": Text(
        "{telegrams} telegrams are lost: neither the database nor {path} could be written ({reason})",
        "{telegrams} telegram är förlorade: varken databasen eller {path} gick att skriva ({reason})",
    ),
    "taken_up": Text(
        "{telegrams} telegrams put aside at the last stop are stored now",
        "{telegrams} telegram som lades undan vid förra stoppet är nu sparade",
    ),
    "telegram_refused": Text(
        "a telegram could not be stored because of an error in the program ({reason}); it is kept in {path}",
        "ett telegram kunde inte sparas på grund av ett fel i programmet ({reason}); det finns kvar i {path}",
    ),
    "unusually_silent": Text(
        "nothing heard since {since} UTC, though about {expected} telegrams are usual in that time",
        "inget har hörts sedan {since} UTC, fast omkring {expected} telegram är vanligt på den tiden",
    ),
    # avlas receivers
    "receivers_json": Text("one JSON object a line", "ett JSON-objekt per rad"),
    "receivers_none": Text(
        "No serial port and no software radio is plugged in.",
        "Ingen serieport och ingen mjukvaruradio är inkopplad.",
    ),
    "receivers_receiver": Text("{model}; use it as {spec}", "{model}; använd den som {spec}"),
    "receivers_unknown": Text(
        "no receiver answers; it may be one that only speaks, or something else",
        "ingen mottagare svarar; det kan vara en som bara talar, eller något annat",
    ),
    "receivers_in_use": Text("in use{by}; left alone", "används{by}; lämnas i fred"),
    "receivers_not_asked": Text("no USB device; not asked", "ingen USB-enhet; inte tillfrågad"),
    "removed": Text("removed from the database", "borttagen ur databasen"),
    # avlas collect
    "collect_receiver": Text(
        "what to listen to, for instance {examples}; may be given several times. Without it, the receivers "
        "entered in the program",
        "vad som ska avlyssnas, till exempel {examples}; kan anges flera gånger. Utan det används mottagarna "
        "som är inlagda i programmet",
    ),
    "collect_link_mode": Text(
        "what a receiver listens for, as far as its kind can: {modes} (default: the usual one of its kind)",
        "vad en mottagare lyssnar efter, så långt dess sort kan: {modes} (standard: det vanliga för sorten)",
    ),
    "utility_option": Text(
        "name or short name of the utility, when there are several",
        "energibolagets namn eller kortnamn, när det finns flera",
    ),
    "no_collectors": Text(
        "No receivers are entered yet; waiting for them. Add one in the program, or start with --receiver.",
        "Inga mottagare är inlagda ännu; väntar på dem. Lägg in en i programmet, eller starta med "
        "--receiver.",
    ),
    # avlas import
    "import_files": Text(
        "recorded telegrams: hexadecimal lines, or files of wmbusmeters or rtl_wmbus, also .gz",
        "inspelade telegram: hexadecimala rader, eller filer från wmbusmeters eller rtl_wmbus, även .gz",
    ),
    "import_heard_at": Text(
        "when the telegrams were heard, like 2026-03-01T14:00 (this machine's time zone unless one "
        "is given), "
        "for files that don't say; else the file's own date is used",
        "när telegrammen hördes, som 2026-03-01T14:00 (den här maskinens tidszon om ingen anges), "
        "för filer som "
        "inte säger det; annars används filens eget datum",
    ),
    "import_bad_time": Text(
        "{time} is no date and time; write it like 2026-03-01T14:00",
        "{time} är ingen tidpunkt; skriv den som 2026-03-01T14:00",
    ),
    "import_future": Text("{time} is in the future", "{time} ligger i framtiden"),
    "import_unreadable": Text("{file} can't be read: {reason}", "{file} kan inte läsas: {reason}"),
    "import_not_recorded": Text(
        "{file}: no telegrams are recognised in it. A recorded file holds hexadecimal lines, or is "
        "written by "
        "wmbusmeters or rtl_wmbus",
        "{file}: inga telegram känns igen i den. En inspelad fil har hexadecimala rader, eller är skriven av "
        "wmbusmeters eller rtl_wmbus",
    ),
    "import_waits": Text(
        "The database is busy or full ({reason}); trying again ...",
        "Databasen är upptagen eller full ({reason}); försöker igen ...",
    ),
    "import_progress": Text("{telegrams} telegrams", "{telegrams} telegram"),
    "import_telegrams": Text("Telegrams: {count}", "Telegram: {count}"),
    "import_surplus": Text(
        "more of the same from a meter within its interval, or known already: {count}",
        "fler av samma slag från en mätare inom dess intervall, eller redan kända: {count}",
    ),
    "import_bad_crc": Text(
        "received with a wrong checksum, not used: {count}",
        "mottagna med fel kontrollsumma, används inte: {count}",
    ),
    "import_meters": Text("Meters of yours heard: {count}", "Egna mätare som hördes: {count}"),
    "import_times": Text(
        "{file} has no times of its own for {count} telegrams; {time} was taken ({source})",
        "{file} har inga egna tider för {count} telegram; {time} användes ({source})",
    ),
    "import_times_given": Text("given with --heard-at", "angiven med --heard-at"),
    "import_times_file": Text(
        "when the file was last changed; give another with --heard-at",
        "när filen senast ändrades; ange en annan med --heard-at",
    ),
    "import_adopt": Text(
        "Telegrams of meters that are not adopted are not kept. Adopt them under Heard, then import "
        "the file again.",
        "Telegram från mätare som inte är inlagda sparas inte. Lägg in dem under Hört och läs in filen igen.",
    ),
    "import_problems": Text("Lines with problems: {count}", "Rader med problem: {count}"),
    "import_more_problems": Text("... and {count} more", "... och {count} till"),
}


def say(text_id: str, language: str, /, **detail: object) -> str:
    """The sentence ``text_id`` in ``language`` ("sv" or anything else for English)."""
    return drivers.say(TEXTS, text_id, detail, language)


def words(notice: Notice, language: str) -> str:
    """A notice as a sentence."""
    return drivers.say(TEXTS, notice.text_id, notice.detail, language)


def pack(text_id: str, detail: Mapping[str, str | int | float]) -> str:
    """A sentence as it is stored in ``Collector.status_text``, free of language."""
    for most in (150, 80, 40, 20):
        short = {
            name: value if not isinstance(value, str) or len(value) <= most else f"{value[:most]}..."
            for name, value in detail.items()
        }
        packed = json.dumps([text_id, short], ensure_ascii=False)
        if len(packed) <= STATUS_LENGTH:
            return packed
    return json.dumps([text_id, dict.fromkeys(detail, "...")])


def unpack(status_text: str, language: str) -> str:
    """What ``pack`` stored, as a sentence in ``language``; text that was not packed is given as it is."""
    try:
        text_id, detail = json.loads(status_text)
        return drivers.say(TEXTS, text_id, detail, language)
    except (ValueError, TypeError, KeyError, AttributeError):
        return status_text
