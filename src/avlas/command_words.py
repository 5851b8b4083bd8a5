"""The help of all commands in Swedish, argparse's own words included.

Commands write their help in English; ``in_swedish`` puts Swedish in its place, parser by parser. So the pure parts
(decode, simulate) need to know nothing of languages, and what lacks a translation is found by one test.
"""

# ruff: noqa: SLF001  (argparse has no public way to its own words and to the help of what was added)
from __future__ import annotations

import argparse
import gettext
from typing import Final

from avlas.system.terminal import language

ARGPARSE: Final = {
    "usage: ": "användning: ",
    "options": "flaggor",
    "positional arguments": "argument",
    "show this help message and exit": "visa den här hjälpen",
    "the following arguments are required: %s": "det här saknas: %s",
    "unrecognized arguments: %s": "okända argument: %s",
    "invalid choice: %(value)r (choose from %(choices)s)": (
        "%(value)r går inte att välja (välj bland %(choices)s)"
    ),
    "expected one argument": "ett värde saknas",
    "expected at least one argument": "minst ett värde saknas",
    "expected at most one argument": "högst ett värde väntades",
    "invalid %(type)s value: %(value)r": "%(value)r är inget giltigt värde",
    "%(prog)s: error: %(message)s\n": "%(prog)s: fel: %(message)s\n",
    "argument %(argument_name)s: %(message)s": "%(argument_name)s: %(message)s",
    "not allowed with argument %s": "kan inte användas tillsammans med %s",
    "one of the arguments %s is required": "en av %s behövs",
    "ambiguous option: %(option)s could match %(matches)s": "%(option)s kan betyda %(matches)s",
    "ignored explicit argument %r": "%r tar inget värde",
}

HELP: Final = {
    # decode
    "a telegram; without any: one a line on stdin": "ett telegram; utan något: ett per rad på standard in",
    "the meter's key, 32 hexadecimal digits": "mätarens nyckel, 32 hexadecimala siffror",
    "a: wireless, begins with the L-field, no link CRCs; a-crc, b-crc: with them; wired: 68 .. 16; "
    "kmp: a frame of an optical head, 40 or 80 .. 0D": (
        "a: radio, börjar med L-fältet, utan länkens CRC; a-crc, b-crc: med dem; wired: 68 .. 16; "
        "kmp: en ram från ett optiskt huvud, 40 eller 80 .. 0D"
    ),
    "take wired frames whose length or check sum is wrong for what they hold": (
        "ta trådbundna ramar med fel längd eller kontrollsumma för vad de innehåller"
    ),
    "one JSON object a line instead of an explanation": "ett JSON-objekt per rad i stället för en förklaring",
    "of the explanation (default: %(default)s)": "förklaringens språk (annars %(default)s)",
    "a folder with meter family files of your own": "en mapp med egna familjefiler för mätare",
    # families
    "list the meters that are known by name": "visa mätarna som är kända till namnet",
    "only those with this word in model or maker": "bara de med det här ordet i modell eller tillverkare",
    "draft a family file from a telegram, to be gone through": (
        "gör ett utkast till familjefil av ett telegram, att gå igenom"
    ),
    "a telegram; or --meter": "ett telegram; eller --meter",
    "the last telegram kept of the meter with this number": (
        "det senast sparade telegrammet av mätaren med det numret"
    ),
    "short name of the utility, when there are several (with --meter)": (
        "bolagets kortnamn, när det finns flera (med --meter)"
    ),
    "as of avlas decode": "som för avlas decode",
    "keep telegram, meter number and key in the sample": "behåll telegram, mätarnummer och nyckel i provet",
    "say what is wrong or missing in family files, line by line": (
        "säg vad som är fel eller saknas i familjefiler, rad för rad"
    ),
    "family files (TOML)": "familjefiler (TOML)",
    "list the registers a record can become": "visa registren som en post kan bli",
    # simulate
    "Invented meters, byte by byte as real ones send: nothing of it belongs to a real meter, and "
    "the same seed always gives the same numbers, keys and values.": (
        "Påhittade mätare, byte för byte som riktiga sänder: inget av det hör till en riktig\n"
        "mätare, och samma frö ger alltid samma nummer, nycklar och värden."
    ),
    """\
examples:
  avlas simulate types
      the meter types there are
  avlas simulate telegrams --type multical403 | avlas decode
      eight telegrams with their key, explained
  avlas simulate telegrams --meters 20 --count 50 --format rtl_wmbus > heard.txt
      a recorded file to import; the same seed gives the same file again
  avlas simulate keys --meters 20 --password secret town.zip.kem
      the key file of the same twenty meters
  avlas simulate receiver --meters 20 --interval 1 --path /tmp/radio
      an iM871A that hears them, for: avlas collect --receiver im871a:/tmp/radio
  avlas simulate optical --type multical602 --path /tmp/head
      an optical head on a meter: answers KMP, registers and logs
""": """\
exempel:
  avlas simulate types
      mätartyperna som finns
  avlas simulate telegrams --type multical403 | avlas decode
      åtta telegram med sin nyckel, förklarade
  avlas simulate telegrams --meters 20 --count 50 --format rtl_wmbus > hört.txt
      en inspelad fil att läsa in; samma frö ger samma fil igen
  avlas simulate keys --meters 20 --password hemligt staden.zip.kem
      nyckelfilen för samma tjugo mätare
  avlas simulate receiver --meters 20 --interval 1 --path /tmp/radio
      en iM871A som hör dem, för: avlas collect --receiver im871a:/tmp/radio
  avlas simulate optical --type multical602 --path /tmp/head
      ett optiskt huvud på en mätare: svarar på KMP, register och loggar
""",
    "list the meter types": "visa mätartyperna",
    "print telegrams": "skriv ut telegram",
    "telegrams of each meter (8)": "telegram av varje mätare (8)",
    "when the first one is sent, ISO 8601, UTC unless it says otherwise (2025-01-15T06:00)": (
        "när det första sänds, ISO 8601, UTC om inget annat sägs (2025-01-15T06:00)"
    ),
    "time between telegrams of one meter (as its type sends)": (
        "tid mellan en mätares telegram (som dess typ sänder)"
    ),
    "hex: a telegram and its key a line (default); rtl_wmbus: that program's lines, with time and "
    "signal; simulation: wmbusmeters' simulation file": (
        "hex: ett telegram och dess nyckel per rad (det vanliga); rtl_wmbus: det programmets rader, med tid och "
        "signal; simulation: wmbusmeters simuleringsfil"
    ),
    "hex lines without the key": "hexrader utan nyckel",
    "write a KEM file with the meters' keys": "skriv en KEM-fil med mätarnas nycklar",
    "up to 16 characters": "högst 16 tecken",
    "the newer format": "det nyare formatet",
    "the encrypted XML alone, not in a zip": "bara den krypterade XML-filen, inte i en zip",
    "file to write, usually named .zip.kem or .zip.kem2": "fil att skriva, vanligen .zip.kem eller .zip.kem2",
    "be a receiver on a serial line until Ctrl-C": "var en mottagare på en serieledning tills Ctrl-C",
    "be an optical head on a meter until Ctrl-C": "var ett optiskt huvud på en mätare tills Ctrl-C",
    "one of Kamstrup's heat meters (multical403); see: avlas simulate types": (
        "en av Kamstrups värmemätare (multical403); se: avlas simulate types"
    ),
    "the serial port's path (simulated-head)": "serieportens sökväg (simulated-head)",
    "answer only after Enter, as after a key press": "svara först efter Enter, som efter en knapptryckning",
    "which receiver (im871a)": "vilken mottagare (im871a)",
    "the serial port's path (simulated-receiver)": "serieportens sökväg (simulated-receiver)",
    "time between telegrams of one meter": "tid mellan en mätares telegram",
    "stop after that many telegrams": "sluta efter så många telegram",
    "meter type, may be repeated (multical403); see: avlas simulate types": (
        "mätartyp, kan anges flera gånger (multical403); se: avlas simulate types"
    ),
    "meters of each type (1)": "mätare av varje typ (1)",
    "another seed, other meters and values (1)": "ett annat frö, andra mätare och värden (1)",
    # web, demo, migrate
    "where to answer (default 127.0.0.1:8000; 0.0.0.0:8000 for the whole network)": (
        "var sidorna svarar (annars 127.0.0.1:8000; 0.0.0.0:8000 för hela nätet)"
    ),
    "metering points in the town (default 300)": "mätpunkter i staden (annars 300)",
    "another number makes another town (default 1)": "ett annat tal ger en annan stad (annars 1)",
    "make the town anew even if there is a recent one": "bygg staden på nytt även om den är färsk",
    "say what would be done; change nothing": "säg vad som skulle göras; ändra inget",
    # keys
    "take in a KEM, KEM2 or CSV file": "läs in en KEM-, KEM2- eller CSV-fil",
    "the KEM, KEM2 or CSV file": "KEM-, KEM2- eller CSV-filen",
    "the file's password; better asked for, or in AVLAS_KEM_PASSWORD, than given here": (
        "filens lösenord; hellre på fråga eller i AVLAS_KEM_PASSWORD än här"
    ),
    "take in one key": "lägg in en nyckel",
    "the meter's serial number": "mätarens serienummer",
    "32 hexadecimal digits (asked for when left out)": "32 hexadecimala siffror (efterfrågas annars)",
    "three letters, like KAM": "tre bokstäver, som KAM",
    "list which meters have a key; keys are never shown": (
        "visa vilka mätare som har en nyckel; nycklarna visas aldrig"
    ),
    "only what was heard from this day on, like 2026-03-01": (
        "bara det som hördes från och med den dagen, som 2026-03-01"
    ),
    "short name of the utility (all, when left out)": "energibolagets korta namn (alla, om det utelämnas)",
    "short name of the utility, when there are several": "bolagets kortnamn, när det finns flera",
    "change the master key that all keys are sealed with": (
        "byt huvudnyckeln som alla nycklar är förseglade med"
    ),
    # createadmin
    "The first administrator also gets a utility and runs the installation. The password is asked for, "
    "taken from AVLAS_ADMIN_PASSWORD, or made and printed with --generate.": (
        "Den första administratören får också ett bolag och sköter installationen. Lösenordet efterfrågas, tas från "
        "AVLAS_ADMIN_PASSWORD eller skapas och skrivs ut med --generate."
    ),
    "e-mail address, used to sign in": "e-postadress, används för att logga in",
    "first name": "förnamn",
    "last name": "efternamn",
    "name of the utility; made when there is none by that name": "bolagets namn; skapas om det inte finns",
    "language of the pages": "sidornas språk",
    "make a password and print it": "skapa ett lösenord och skriv ut det",
}


def argparse_speaks() -> None:
    """Let argparse's own words be in the language the environment asks for, from now on in this process."""
    kept = gettext.gettext

    def spoken(words: str) -> str:
        return (ARGPARSE.get(words) if language() == "sv" else None) or kept(words)

    argparse._ = spoken  # type: ignore[attr-defined]


def in_swedish(parser: argparse.ArgumentParser) -> None:
    """Put Swedish in the place of the help of a parser and of those below it."""
    parser._optionals.title = ARGPARSE["options"]
    parser._positionals.title = ARGPARSE["positional arguments"]
    parser.description = HELP.get(parser.description or "", parser.description)
    parser.epilog = HELP.get(parser.epilog or "", parser.epilog)
    for action in parser._actions:
        if action.help:
            action.help = ARGPARSE.get(action.help) or HELP.get(action.help, action.help)
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                choice.help = HELP.get(choice.help or "", choice.help)
            for below in action.choices.values():
                in_swedish(below)
