"""What is said of family files, in Swedish: problems by pattern, the draft's own comments by table.

Names of tables and keys stay as they stand in the file.
"""

from __future__ import annotations

import re

_PLACE = re.compile(
    r"((?:[a-z_]+ \d+: |status: |bit(?: -?\d+)?: |sensor_errors: |roads: |expect: )*)(.*)", re.DOTALL
)

_PATTERNS = tuple(
    (re.compile(english, re.DOTALL), swedish)
    for english, swedish in (
        (r"this is no TOML: (.+)", r"det här är inte TOML: \1"),
        (r"unknown key (.+); known are (.+)", r"okänd nyckel \1; kända är \2"),
        (r"unknown key (.+)", r"okänd nyckel \1"),
        (r"(\w+) is missing: a telegram with what must come out of it", r"\1 saknas: ett telegram med vad det ska ge"),
        (r"(\w+) text is missing", r"\1-texten saknas"),
        (r"(\w+) is missing", r"\1 saknas"),
        (r"extends goes in a circle at (.+)", r"extends går i cirkel vid \1"),
        (r"extends names the unknown file (.+)", r"extends nämner den okända filen \1"),
        (r"(\w+) must be a list of tables, written (.+)", r"\1 ska vara en lista av tabeller, som skrivs \2"),
        (r"expect must be a table, written (.+)", r"expect ska vara en tabell, som skrivs \1"),
        (r"(\w+) must be text in quotes, not (.+)", r"\1 ska vara text inom citattecken, inte \2"),
        (r"(\w+) must be a whole number, not (.+)", r"\1 ska vara ett heltal, inte \2"),
        (r"(\w+) must be a list in square brackets, not (.+)", r"\1 ska vara en lista inom hakparenteser, inte \2"),
        (r"(\w+) must be a list of numbers or of texts, not (.+)", r"\1 ska vara en lista av tal eller text, inte \2"),
        (r"backward must be true or false, not (.+)", r"backward ska vara true eller false, inte \1"),
        (r"sensor_errors must be a table of lists of numbers in quotes",
         r"sensor_errors ska vara en tabell av listor med tal inom citattecken"),
        (r"manufacturer must be three capital letters, not (.+)", r"manufacturer ska vara tre versaler, inte \1"),
        (r"version must be a number 0-255, not (.+)", r"version ska vara ett tal 0-255, inte \1"),
        (r"device_types must be a list of numbers 0-255", r"device_types ska vara en lista av tal 0-255"),
        (r"device_types must be numbers 0-255", r"device_types ska vara tal 0-255"),
        (r"give either (\w+) or (\w+)", r"ange antingen \1 eller \2"),
        (r"(\w+) must be capital hexadecimal bytes, not (.+)", r"\1 ska vara hexadecimala byte med versaler, inte \2"),
        (r"telegram must be capital hexadecimal bytes", r"telegram ska vara hexadecimala byte med versaler"),
        (r"key must be 32 capital hexadecimal digits", r"key ska vara 32 hexadecimala siffror med versaler"),
        (r"unknown (\w+) (.+); known are (.+)", r"okänt värde \2 på \1; kända är \3"),
        (r"scale must be a number in quotes, not (.+)", r"scale ska vara ett tal inom citattecken, inte \1"),
        (r"at must be a byte offset 0-255, not (.+)", r"at ska vara ett byteläge 0-255, inte \1"),
        (r"length must be 1 to 8 bytes, not (.+)", r"length ska vara 1 till 8 byte, inte \1"),
        (r"unknown register code (.+); avlas families registers lists them",
         r"okänd registerkod \1; avlas families registers räknar upp dem"),
        (r"unknown register code (.+)", r"okänd registerkod \1"),
        (r"its bits are already used", r"dess bitar används redan"),
        (r"neither bit nor group", r"varken bit eller group"),
        (r"bit must be a number (.+), not (.+)", r"bit ska vara ett tal \1, inte \2"),
        (r"bit (\d+) is there twice", r"bit \1 finns två gånger"),
        (r"code (.+) is there twice", r"code \1 finns två gånger"),
        (r"code must be small letters, digits and _, not (.+)", r"code ska vara gemener, siffror och _, inte \1"),
        (r"code must be small letters, digits and _", r"code ska vara gemener, siffror och _"),
        (r"severity must be 1 \(notice\), 2 \(warning\) or 3 \(alarm\), not (.+)",
         r"severity ska vara 1 (upplysning), 2 (varning) eller 3 (larm), inte \1"),
        (r"first_bit (.+) and bits (.+) do not lie within 32 bits", r"first_bit \1 och bits \2 ryms inte i 32 bitar"),
        (r"source must be info_code or history, not (.+)", r"source ska vara info_code eller history, inte \1"),
        (r"no values", r"inga värden"),
        (r"value must be (\S+), not (.+)", r"value ska vara \1, inte \2"),
        (r"unknown road (.+)", r"okänd väg \1"),
        (r"unknown feature (.+)", r"okänd egenskap \1"),
        (r"target_date_stamp must be 00:00 or 24:00, not (.+)",
         r"target_date_stamp ska vara 00:00 eller 24:00, inte \1"),
        (r"digits must be a list of numbers 4-12", r"digits ska vara en lista av tal 4-12"),
        (r"(\w+) must be a list of numbers in quotes", r"\1 ska vara en lista av tal inom citattecken"),
        (r"(.+\.toml) knows this meter already", r"\1 känner redan den här mätaren"),
        (r"telegram cannot be decoded: (.+)", r"telegram går inte att avkoda: \1"),
        (r"telegram is read by no family file, not this file",
         r"telegram läses utan familjefil, inte med den här filen"),
        (r"telegram is read by (.+), not this file", r"telegram läses med \1, inte med den här filen"),
        (r"(\w+) of (\S+ \S+) is not there, expected (.+)", r"\1 för \2 finns inte, väntade \3"),
        (r"(\w+) of (\S+ \S+) is (.+), not expected", r"\1 för \2 är \3, inte väntat"),
        (r"(\w+) of (\S+ \S+) is (.+), expected (.+)", r"\1 för \2 är \3, väntade \4"),
        (r"(\w+) is not there, expected (.+)", r"\1 finns inte, väntade \2"),
        (r"(\w+) is (.+), not expected", r"\1 är \2, inte väntat"),
        (r"(\w+) (?:is|are) (.+), expected (.+)", r"\1 är \2, väntade \3"),
    )
)  # fmt: skip


_DRAFT = tuple(
    (re.compile(english), swedish)
    for english, swedish in (
        (r'# Drafted by "avlas families draft" from one telegram\. .*',
         '# Utkast av "avlas families draft" från ett telegram. Gå igenom det uppifrån; en rad som börjar med'),
        (r"# the sign # is not read\. Then: (.+)", r"# tecknet # läses inte. Sedan: \1"),
        (r"# Avläs knows this meter already \((.+)\); this file comes before that one and",
         r"# Avläs känner redan den här mätaren (\1); den här filen går före den och"),
        (r"# builds on it\. .*", "# bygger på den. Ta bort raden med extends för att börja från början."),
        (r"# digits = (\S+) .*", r"# digits = \1  # hur många siffror räkneverkens display har, om du vet det"),
        (r"# The stored values were read as those of (\S+ \S+)\. .*",
         r"# De lagrade värdena lästes som \1. Om mätaren menar en annan tidpunkt:"),
        (r"(# target_date_stamp = \S+) .*", r'\1  # början av den dagen; "24:00": dess slut'),
        (r"(device_types = \S+  # .+); add the others .*", r"\1; lägg till de andra som modellen säljs som"),
        (r"(model = .+)  # the name on .*", r"\1  # namnet på mätarens märkskylt"),
        (r"# The records of the telegram\. .*",
         "# Telegrammets poster. Bakom pilen: det register den blir. Jämför värdena"),
        (r"# with the meter's display\.", "# med mätarens display."),
        (r"(# code = \S+)  # a register: .*", r"\1  # ett register: avlas families registers"),
        (r"(# unit = \S+)  # what one count is: (.+)", r"\1  # vad ett steg är: \2"),
        (r"# Info bits: record (.+) holds (.+)\. What its bits .*",
         r"# Infobitar: posten \1 är \2. Vad bitarna betyder står i mätarens handbok."),
        (r"# Without a table like this Avläs .*", "# Utan en sådan här tabell visar Avläs bara talet."),
        (r"# Info bits: if one of the records .*",
         "# Infobitar: är en av posterna ovan mätarens infokod, ange dess VIF och vad bitarna betyder."),
        (r"(# bit = 1)  # 0 is the lowest", r"\1  # 0 är den lägsta"),
        (r"(# severity = 2)  # .*", r"\1  # 1 upplysning, 2 varning, 3 larm"),
        (r"# The telegram as it was heard, .*",
         "# Telegrammet som det hördes, med mätarens nummer och nyckel: bara för dig själv."),
        (r"# The telegram without encryption .*",
         "# Telegrammet utan kryptering och med ett påhittat nummer; värdena är de som hördes."),
    )
)  # fmt: skip


def draft_text(draft: str, language: str) -> str:
    """A drafted file with its remarks in the language; names of quantities stay the standard's English."""
    return "\n".join(map(_draft_line, draft.split("\n"))) if language == "sv" else draft


def _draft_line(line: str) -> str:
    for pattern, swedish in _DRAFT:
        if pattern.fullmatch(line):
            return pattern.sub(swedish, line)
    return line


def problem_text(message: str, language: str) -> str:
    """A problem of a family file in the language; one that has no translation stays English."""
    place = _PLACE.fullmatch(message)
    if language == "sv" and place:
        for pattern, swedish in _PATTERNS:
            if pattern.fullmatch(place[2]):
                return place[1] + pattern.sub(swedish, place[2])
    return message
