"""Names for an invented town: natural street names, and people and companies nobody can take for real ones.

Phone numbers are from the series set aside for books and films by Post- och telestyrelsen, e-mail addresses
use the reserved domain example.com, postal codes begin with 99, which are not in use in Sweden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

PLACES = (
    "Norrtuna", "Sjöholmen", "Backavik", "Lillfors", "Ekhammar", "Tallmora", "Granhyttan", "Storängsby",
    "Kvarnforsa", "Hedstaby", "Björkhult", "Almlunda",
)  # fmt: skip

_THEMES: tuple[tuple[str, ...], ...] = (
    (  # Centrum
        "Kyrkogatan", "Skolgatan", "Rådhusgatan", "Smedjegatan", "Köpmangatan", "Trädgårdsgatan",
        "Bryggargatan", "Apoteksgatan", "Nygatan", "Hantverkargatan", "Tullgatan", "Torggatan",
        "Slottsgatan", "Repslagargatan", "Garvargränd", "Klockargränd", "Prästgatan", "Östra Långgatan",
        "Västra Långgatan", "Kvarngatan",
    ),
    (  # Norra: birds and berries
        "Talgoxvägen", "Blåmesvägen", "Koltrastvägen", "Domherrevägen", "Lärkvägen", "Svalvägen",
        "Gökvägen", "Hackspettsvägen", "Ugglestigen", "Sidensvansvägen", "Bofinksvägen", "Rödhakestigen",
        "Stenskvättevägen", "Hallonvägen", "Lingonvägen", "Blåbärsstigen", "Smultronvägen",
        "Hjortronvägen", "Odonvägen", "Tranbärsvägen", "Ängsvägen", "Hagvägen", "Åkervägen", "Dungvägen",
        "Bergvägen",
    ),
    (  # Östra: flowers
        "Vitsippsgatan", "Blåsippsgatan", "Prästkragegatan", "Kamomillgatan", "Klintgatan", "Klövergatan",
        "Gullvivegatan", "Förgätmigejgatan", "Mjölkörtsgatan", "Midsommargatan", "Violgatan",
        "Solrosgatan", "Krokusgatan", "Pionvägen", "Liljegatan",
    ),
    (  # Söder: trees and forest
        "Björkvägen", "Aspvägen", "Rönnvägen", "Almvägen", "Lindvägen", "Ekvägen", "Granvägen",
        "Tallvägen", "Lönnvägen", "Sälgvägen", "Hasselvägen", "Enbärsvägen", "Häggvägen", "Oxelvägen",
        "Askvägen", "Bokvägen", "Skogsbrynet", "Kottstigen", "Barrstigen", "Mossvägen", "Lavstigen",
        "Stubbvägen", "Gläntvägen", "Ormbunksvägen", "Kantarellvägen", "Murkelvägen", "Soppstigen",
    ),
    (  # Västra: trades
        "Bruksgatan", "Hammargatan", "Gjuterigatan", "Verkstadsgatan", "Industrigatan", "Maskingatan",
        "Svetsargatan", "Plåtslagargatan", "Värmeverksvägen", "Sågverksgatan", "Kolargatan",
        "Magasinsgatan", "Spårgatan", "Lokgatan", "Terminalvägen", "Virkesvägen",
    ),
    (  # Stranden
        "Strandvägen", "Åvägen", "Näckrosvägen", "Vassvägen", "Bryggvägen", "Forsgatan", "Båtgränd",
        "Kajgatan", "Sjöstigen", "Kräftvägen", "Gäddvägen",
    ),
)  # fmt: skip
_SIDES = ("", "Norra ", "Södra ", "Östra ", "Västra ", "Lilla ", "Stora ")  # when all other names are used
_MAIN = ("Storgatan", "Järnvägsgatan", "Drottninggatan")
_STEMS = (
    "Hammar", "Lund", "Ek", "Berg", "Sand", "Ljung", "Norr", "Söder", "Öster", "Väster", "Kvarn", "Ladu",
    "Hage", "Bäck", "Damm", "Fors", "Gärdes", "Höga", "Kulla", "Lid", "Mark", "Näs", "Odal", "Park",
    "Rosen", "Sten", "Tegel", "Ullas", "Vall", "Äppel", "Ört", "Humle", "Korn", "Havre", "Råg", "Vete",
    "Lin", "Hampa", "Solskens", "Månskens", "Norrskens", "Åskvigge", "Regnbågs", "Snöfalls", "Drivis",
    "Rimfrost", "Stjärnfalls", "Kometens", "Lykt", "Snickar", "Målar", "Murar", "Glasmästar", "Urmakar",
    "Bagar", "Skräddar", "Garvar", "Sadelmakar", "Kopparslagar", "Flöjt", "Fiol", "Trumpet", "Dragspels",
    "Valthorns", "Psaltar", "Nyckelharpe", "Polske", "Schottis", "Vals", "Hare", "Räv", "Grävlings", "Lo",
    "Varg", "Björn", "Älg", "Rådjurs", "Ekorrs", "Igelkotts", "Mård", "Utter", "Bäver", "Hermelin", "Sork",
    "Lämmel", "Näbbmus", "Orr", "Tjäder", "Rip", "Järp", "Svan", "Gås", "Trut",
)  # fmt: skip
_ENDINGS = ("vägen", "gatan", "stigen", "gränd", "backen", "liden", "ringen", "svängen", "allén", "torpet")


def street_names(districts: np.ndarray, mains: np.ndarray, rng: np.random.Generator) -> list[str]:
    """A name for each street of one place, by its district's theme; no name twice."""
    themes = [list(rng.permutation(theme)) for theme in _THEMES]
    spare = [
        f"{stem}{ending}"
        for ending in _ENDINGS
        for stem in rng.permutation(_STEMS)
        if not (stem.endswith(ending[0]) and len(stem) > 3)
    ]
    taken: set[str] = set()
    main_lines = list(_MAIN)
    names: list[str] = []
    fresh = 0
    for district, main in zip(districts.tolist(), mains.tolist(), strict=True):
        name = ""
        if main and main_lines:
            name = main_lines.pop(0)
        while not name and themes[district]:
            candidate = str(themes[district].pop())
            name = "" if candidate in taken else candidate
        while not name:
            round_, place = divmod(fresh, len(spare))
            candidate = f"{_SIDES[round_ % len(_SIDES)]}{spare[place]}"
            fresh += 1
            name = "" if candidate in taken else candidate
        taken.add(name)
        names.append(name)
    return names


_FIRST = (
    "Alva", "Bo", "Cajsa", "Dag", "Ebba", "Folke", "Greta", "Hugo", "Ines", "Jarl", "Karin", "Love",
    "Märta", "Nils", "Olga", "Pelle", "Ragna", "Sixten", "Tyra", "Ulf", "Vera", "Yngve", "Åsa", "Ärla",
    "Örjan", "Amina", "Bilal", "Dalia", "Elias", "Fatima", "Idris", "Jasmin", "Kofi", "Leila", "Milan",
    "Nour", "Omar", "Petra", "Samir", "Zara",
)  # fmt: skip
_LAST = (
    "Påhittsson", "Exempelsson", "Testlund", "Demodotter", "Fantasilind", "Låtsasberg", "Fejkström",
    "Provsson", "Hittepåberg", "Sagolund", "Fiktivsson", "Uppdiktad", "Mönstersson", "Platshållare",
    "Övningsgren", "Skenberg", "Attrappsson", "Modellqvist", "Simulin", "Diktbäck",
)  # fmt: skip
_COMPANY = (
    "Låtsas Mekaniska", "Påhittade Plåt", "Exempelbageriet", "Sagans Livs", "Fantasi Frisör",
    "Demo Verktyg", "Prov & Montage", "Testtryckeriet", "Hittepå Bygg", "Fiktiva Fönster",
    "Modellsnickerierna", "Skenlogistik", "Mönsterblommor", "Uppdiktade Ur", "Simulerade Säd",
    "Attrappteatern", "Övningskök", "Platshållarpumpar",
)  # fmt: skip
_COOP = (
    "Blåklockan", "Vitsippan", "Gullvivan", "Smultronet", "Kastanjen", "Näckrosen", "Morkullan", "Trasten",
    "Lärkan", "Svalan", "Rönnen", "Hasseln", "Tranan", "Storken", "Eken", "Linden", "Syrenen", "Tulpanen",
    "Solrosen", "Linnean",
)  # fmt: skip


def person(number: int) -> str:
    """An invented person; different numbers mostly give different names."""
    first = _FIRST[number % len(_FIRST)]
    last = _LAST[(number // len(_FIRST) + 7 * number) % len(_LAST)]
    middle = "" if number < 1600 else f" {_FIRST[(number // 1600 * 13 + number) % len(_FIRST)]}"
    return f"{first}{middle} {last}"


def company(number: int) -> str:
    """An invented company."""
    stem = _COMPANY[number % len(_COMPANY)]
    round_ = number // len(_COMPANY)
    return f"{stem} AB" if not round_ else f"{stem} {round_ + 1} AB"


def cooperative(number: int) -> str:
    """An invented housing cooperative."""
    stem = _COOP[number % len(_COOP)]
    round_ = number // len(_COOP)
    return f"Brf {stem}" if not round_ else f"Brf {stem} {round_ + 1}"


def phone(number: int) -> str:
    """A mobile number out of 070-1740605 to 070-1740699, which belong to nobody."""
    return f"070-17406{5 + number % 95:02d}"


def mail(name: str, number: int) -> str:
    """An address that leads nowhere."""
    plain = name.lower().translate(str.maketrans("åäöé", "aaoe"))
    local = ".".join("".join(c for c in word if c.isalnum()) for word in plain.replace("&", " ").split())
    return f"{local}.{number}@example.com"
