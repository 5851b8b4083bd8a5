"""Writes the manual's pages about the demo town from the town itself.

``python -m avlas.simulate.guide docs`` writes docs/sv/demo.md and docs/en/demo.md anew.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from avlas.simulate.town import HISTORY_DAYS, HOURLY_DAYS, Fault, Town

LANGUAGES = ("sv", "en")
_ANY_DAY = datetime(2026, 1, 15, 12, tzinfo=UTC)  # the pages tell nothing that depends on the day

_MEDIA = {
    "heat": ("fjärrvärme", "district heating"),
    "cooling": ("fjärrkyla", "district cooling"),
    "heat/cooling": ("värme och kyla genom samma mätare", "heat and cooling through one meter"),
    "water": ("kallvatten", "cold water"),
    "electricity": ("el, en del med solceller", "electricity, some with solar panels"),
    "pressure": ("tryck i vattennätet", "pressure in the water mains"),
}


def page(town: Town, language: str) -> str:
    """The manual's page about this town, Markdown, in "sv" or "en"."""
    swedish = language == "sv"
    column = 0 if swedish else 1
    media = Counter(point.medium for point in town.points)
    models = Counter(meter.model for meter in town.meters if meter.ours and meter.true_point is not None)
    radio = [each for each in town.collectors if each.kind == "radio"]
    wired = [each for each in town.collectors if each.kind == "mbus"]
    lines = [
        _INTRODUCTION[language].format(days=HOURLY_DAYS),
        "| Vad | Antal |" if swedish else "| What | Number |",
        "|---|--:|",
        *(f"| {_MEDIA[medium][column].capitalize()} | {count} |" for medium, count in media.most_common()),
        "",
        ("Mätare: " if swedish else "Meters: ")
        + ", ".join(f"{name} ({n})" for name, n in models.most_common())
        + ".",
        "",
        ("Insamlare: " if swedish else "Collectors: ") + "; ".join(each.name for each in radio + wired) + ".",
        "",
        _FAULTS[language],
        "| Fel | Var | Mätare | Sedan | Vad man ser |"
        if swedish
        else "| Fault | Where | Meter | Since | What one sees |",
        "|---|---|---|---|---|",
        *(_row(town, fault, language) for fault in town.faults),
        "",
    ]
    return "\n".join(lines)


def _row(town: Town, fault: Fault, language: str) -> str:
    where = [f"{town.points[p].address} ({town.points[p].facility})" for p in fault.points]
    where += [town.collectors[c].name for c in fault.collectors]
    meters = [town.meters[m].identification for m in fault.meters]
    days = f"{fault.days_ago:g}"
    swedish = language == "sv"
    if swedish:
        days = days.replace(".", ",")
    since = f"{days} dygn" if swedish else f"{days} days"
    if fault.days_ago >= HISTORY_DAYS:
        since = "hela tiden" if swedish else "always"
    elif fault.until is not None:
        lasted = (fault.until - fault.since).total_seconds() / 86400
        ended = f"{lasted:.1f}"
        since += f", i {ended.replace('.', ',')} dygn" if swedish else f", for {ended} days"
    cells = (
        fault.name[language],
        "; ".join(where) or "-",
        ", ".join(meters) or "-",
        since,
        fault.sees[language],
    )
    return "| " + " | ".join(cells) + " |"


_INTRODUCTION = {
    "sv": """\
# Demostaden

`./run demo` visar Norrtuna, en påhittad svensk småstad med fjärrvärme. Gator, hus, kunder, mätare och
nycklar är uppdiktade: kundernas namn finns inte, telefonnumren är de som är undantagna för böcker och film,
e-postadresserna leder ingenstans och postnummer på 99 används inte. Samma frö ger samma stad.

Husen drar värme efter utetemperatur, tappvarmvatten, vardag och helg; skolor och kontor sänker på natten,
hem står tomma i semestern, folk flyttar. Framledningen följer utetemperaturen och svalnar på vägen från
värmeverket. Energi är alltid volym gånger temperaturskillnad, och räkneverken visar det en sådan mätare
visar: hela kWh, MWh eller GJ.

Historiken är 13 månader: ett värde om dygnet, och de sista {days} dygnen ett i timmen. Därefter sänder
mätarna krypterade telegram i verklig tid. `./run demo --meters 10000` gör en större stad.

Energibolaget har ställt in det som sidorna visar: en grupp för varje stadsdel, två exporter, tak för vad hemmens
vattenmätare får använda på ett dygn (läckor går över dem), och ett program som begär att någons el kopplas från, vilket
väntar på en person.

## Vad som finns
""",
    "en": """\
# The demo town

`./run demo` shows Norrtuna, an invented Swedish small town with district heating. Streets, houses,
customers, meters and keys are made up: nobody has the customers' names, the telephone numbers are those set
aside for books and films, the e-mail addresses lead nowhere and postal codes on 99 are not in use. The same
seed gives the same town.

The houses draw heat by outdoor temperature, hot water, working days and weekends; schools and offices set
back at night, homes stand empty in the holidays, people move. The flow temperature follows the weather and
falls on the way from the heating plant. Energy is always volume times temperature difference, and the
registers show what such a meter shows: whole kWh, MWh or GJ.

History is 13 months: one value a day, and in the last {days} days one an hour. After that the meters send
encrypted telegrams in real time. `./run demo --meters 10000` makes a larger town.

The utility has set up what the pages show: a group for each district, two exports, ceilings on what the homes' water
meters may use in a day (leaks pass them), and a program that asks for somebody's electricity to be cut, which waits
for a person.

## What there is
""",
}
_FAULTS = {
    "sv": """\
## Fel som är gömda i staden

Fel som rapporter, larm och sidor ska kunna hitta. Tiden räknas bakåt från första starten. Staden har också
annat som inte är fel: flyttar, vanliga mätarbyten, mätare på hyllan och grannars mätare som hörs.
""",
    "en": """\
## Faults hidden in the town

Faults that reports, alarms and pages should find. Time is counted back from the first start. The town also
has what is no fault: people moving, ordinary meter exchanges, meters on the shelf and neighbours' meters
that are heard.
""",
}


def write(docs: Path) -> None:
    """Write the pages of the default town into ``docs``/sv and ``docs``/en."""
    town = Town.build(now=_ANY_DAY)
    for language in LANGUAGES:
        (docs / language / "demo.md").write_text(page(town, language), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
