"""The words of explanations in Swedish and English: layers, quantities, functions, advice.

The decoder itself speaks English (the standard's terms). Here its words get their Swedish: whole texts by
table, texts with numbers in them by pattern. What no table knows stays English rather than getting lost.
"""

from __future__ import annotations

import re

LAYERS: dict[str, dict[str, str]] = {  # in the order of the bytes
    "link": {"en": "Link layer", "sv": "Länkskikt"},
    "ell": {"en": "Extended link layer", "sv": "Utökat länkskikt"},
    "afl": {"en": "Authentication and fragmentation layer", "sv": "Autentiserings- och fragmenteringsskikt"},
    "tpl": {"en": "Transport layer", "sv": "Transportskikt"},
    "apl": {"en": "Application layer: records", "sv": "Tillämpningsskikt: poster"},
}

TEXTS: dict[str, dict[str, str]] = {
    "telegram": {"en": "Telegram", "sv": "Telegram"},
    "bytes": {"en": "{} bytes: {}", "sv": "{} byte: {}"},
    "problem": {"en": "What went wrong", "sv": "Vad som gick fel"},
    "in_clear": {"en": "What stands in clear", "sv": "Det som står i klartext"},
    "what": {"en": "Wrong", "sv": "Fel"},
    "do": {"en": "To do", "sv": "Åtgärd"},
    "line": {"en": "line {}: {}", "sv": "rad {}: {}"},
    "address": {"en": "Meter", "sv": "Mätare"},
    "link_address": {"en": "Radio", "sv": "Radio"},
    "security": {"en": "Security", "sv": "Säkerhet"},
    "storage": {"en": "storage", "sv": "lagring"},
    "tariff": {"en": "tariff", "sv": "tariff"},
    "subunit": {"en": "subunit", "sv": "delenhet"},
    "data": {"en": "data", "sv": "data"},
    "no_value": {"en": "no value", "sv": "inget värde"},
    "registers": {"en": "Registers", "sv": "Register"},
    "meter_time": {"en": "Meter's clock", "sv": "Mätarens klocka"},
    "dated": {"en": "Stored by the meter,", "sv": "Lagrat av mätaren,"},
    "sensor_error": {"en": "sensor error, not a reading", "sv": "givarfel, inget mätvärde"},
    "info": {"en": "Info codes and status", "sv": "Infokoder och status"},
    "info_code": {"en": "Info code", "sv": "Infokod"},
    "all_well": {"en": "0, no irregularities", "sv": "0, inga avvikelser"},
    "notice": {"en": "Notice", "sv": "Upplysning"},
    "warning": {"en": "Warning", "sv": "Varning"},
    "alarm": {"en": "Alarm", "sv": "Larm"},
}

ADVICE: dict[str, dict[str, tuple[str, str]]] = {  # error kind -> title and what to do
    "decode_error": {
        "en": (
            "The telegram could not be decoded",
            ("Keep the telegram and report it."),
        ),
        "sv": (
            "Telegrammet kunde inte avkodas",
            ("Spara telegrammet och rapportera det."),
        ),
    },
    "bad_input": {
        "en": (
            "This is no telegram",
            ("Give a telegram as hexadecimal digits, two a byte, and after it the key if there is one."),
        ),
        "sv": (
            "Det här är inget telegram",
            (
                "Ange telegrammet som hexadecimala siffror, två per byte, och sedan nyckeln om det finns "
                "någon."
            ),
        ),
    },
    "frame_error": {
        "en": (
            "The frame is damaged",
            (
                "Check that all of it was copied and that the format is right (with or without link CRCs,"
                " wired). If it came like this from the receiver, the radio signal was too weak: wait for"
                " the next one."
            ),
        ),
        "sv": (
            "Ramen är skadad",
            (
                "Kontrollera att hela ramen är med och att formatet stämmer (med eller utan länk-CRC, "
                "trådbunden). Om den kom så från mottagaren var radiosignalen för svag: vänta på nästa."
            ),
        ),
    },
    "header_error": {
        "en": (
            "A layer's header is cut short or contradicts itself",
            ("Check that the whole telegram was copied; otherwise it is damaged or follows no standard."),
        ),
        "sv": (
            "Ett skikts huvud är avklippt eller motsäger sig självt",
            ("Kontrollera att hela telegrammet är med; annars är det skadat eller följer ingen standard."),
        ),
    },
    "no_key": {
        "en": (
            "The content is encrypted and the key is missing",
            ("Give the meter's key or import its key file (on the command line: --key)."),
        ),
        "sv": (
            "Innehållet är krypterat och nyckeln saknas",
            ("Ange mätarens nyckel eller läs in dess nyckelfil (på kommandoraden: --key)."),
        ),
    },
    "wrong_key": {
        "en": (
            "The key does not fit",
            (
                "Check that the key belongs to this very meter (same serial number) and is 32 hexadecimal"
                " digits. If other telegrams of the meter are read with it, this one is damaged."
            ),
        ),
        "sv": (
            "Nyckeln passar inte",
            (
                "Kontrollera att nyckeln hör till just den här mätaren (samma serienummer) och är 32 "
                "hexadecimala siffror. Om andra telegram från mätaren går att läsa med den är det här "
                "skadat."
            ),
        ),
    },
    "record_error": {
        "en": (
            "The values cannot be read one after the other",
            ("The telegram is damaged, or the meter's own format is used where the standard's is announced."),
        ),
        "sv": (
            "Värdena går inte att läsa ett efter ett",
            ("Telegrammet är skadat, eller så används mätarens eget format där standardens utlovas."),
        ),
    },
    "unknown_layout": {
        "en": (
            "A compact telegram whose layout is not known yet",
            (
                "Wait for a full telegram of a meter of the same type (every eighth is full): its layout "
                "is learnt and kept, and this one is decoded then."
            ),
        ),
        "sv": (
            "Ett kompakt telegram vars layout inte är känd än",
            (
                "Vänta på ett fullständigt telegram från en mätare av samma typ (vart åttonde är "
                "fullständigt): dess layout lärs in och sparas, och det här avkodas då."
            ),
        ),
    },
    "application_error": {
        "en": (
            "The meter answers that it cannot do what was asked",
            ("Ask again later, or in another way."),
        ),
        "sv": (
            "Mätaren svarar att den inte kan göra det som begärdes",
            ("Fråga igen senare, eller på annat sätt."),
        ),
    },
    "unsupported": {
        "en": (
            "The telegram uses something this decoder does not know",
            ("Keep the telegram and report it with maker and model of the meter."),
        ),
        "sv": (
            "Telegrammet använder något som avkodaren inte känner till",
            ("Spara telegrammet och rapportera det med mätarens tillverkare och modell."),
        ),
    },
}

FUNCTIONS: dict[str, dict[str, str]] = {
    "instantaneous": {"en": "instantaneous", "sv": "momentant"},
    "maximum": {"en": "maximum", "sv": "högsta"},
    "minimum": {"en": "minimum", "sv": "lägsta"},
    "error": {"en": "during error", "sv": "under fel"},
}

CODINGS: tuple[dict[str, str], ...] = tuple(
    {"en": en, "sv": sv}
    for en, sv in (
        ("no data", "inga data"),
        ("8 bit integer", "8 bitars heltal"),
        ("16 bit integer", "16 bitars heltal"),
        ("24 bit integer", "24 bitars heltal"),
        ("32 bit integer", "32 bitars heltal"),
        ("32 bit real", "32 bitars flyttal"),
        ("48 bit integer", "48 bitars heltal"),
        ("64 bit integer", "64 bitars heltal"),
        ("selection for readout", "val för avläsning"),
        ("2 digit BCD", "2 siffrors BCD"),
        ("4 digit BCD", "4 siffrors BCD"),
        ("6 digit BCD", "6 siffrors BCD"),
        ("8 digit BCD", "8 siffrors BCD"),
        ("variable length", "variabel längd"),
        ("12 digit BCD", "12 siffrors BCD"),
        ("special function", "specialfunktion"),
    )
)

_QUANTITIES_EN = {  # where the decoder's name alone does not say enough
    "energy_flow": "volume × flow temperature",
    "energy_return": "volume × return temperature",
}
_QUANTITIES_SV = {
    "age": "ålder",
    "battery_left": "återstående batteri",
    "leak_date": "läckagets datum",
    "seal_broken_date": "plomberingen bruten",
    "season_start_date": "säsongens början",
    "energy_flow": "volym × ingående temperatur",
    "energy_return": "volym × utgående temperatur",
    "info_code": "infokod",
    "maximum_power": "högsta effekt",
    "mean_power": "medeleffekt",
    "nominal_frequency": "nominell frekvens",
    "power_factor": "effektfaktor",
    "radiator_temperature": "radiatortemperatur",
    "access_code_developer": "åtkomstkod, utvecklare",
    "access_code_operator": "åtkomstkod, operatör",
    "access_code_system_operator": "åtkomstkod, systemoperatör",
    "access_code_user": "åtkomstkod, användare",
    "access_number": "åtkomstnummer",
    "actuality_duration": "värdets ålder",
    "any_vif": "valfri storhet",
    "apparent_energy": "skenbar energi",
    "apparent_power": "skenbar effekt",
    "averaging_duration": "medelvärdestid",
    "battery_change": "batteribyte",
    "battery_operating_time": "batteriets drifttid",
    "battery_time_left": "återstående batteritid",
    "baud_rate": "överföringshastighet",
    "bus_address": "bussadress",
    "control_signal": "styrsignal",
    "credit": "tillgodo",
    "cumulation_counter": "summeringsräknare",
    "current": "ström",
    "customer": "kund",
    "customer_location": "kundens plats",
    "date": "datum",
    "datetime": "datum och tid",
    "day_change": "dygnsskifte",
    "day_of_week": "veckodag",
    "daylight_saving": "sommartid",
    "debit": "skuld",
    "device_type": "enhetstyp",
    "digital_input": "digital ingång",
    "digital_output": "digital utgång",
    "dimensionless": "utan storhet",
    "energy": "energi",
    "enhanced_identification": "utökad identifiering",
    "error_flags": "felflaggor",
    "error_mask": "felmask",
    "external_temperature": "omgivningstemperatur",
    "fabrication_number": "tillverkningsnummer",
    "firmware_version": "version av inbyggt program",
    "first_storage_number": "första lagringsnummer",
    "flow_temperature": "ingående temperatur",
    "frequency": "frekvens",
    "hardware_version": "hårdvaruversion",
    "heat_cost_units": "värmeandelar",
    "last_storage_number": "sista lagringsnummer",
    "listening_window": "lyssningsfönster",
    "manufacturer": "tillverkare",
    "manufacturer_data_container": "tillverkarens databehållare",
    "manufacturer_specific": "tillverkarens eget",
    "mass": "massa",
    "mass_flow": "massflöde",
    "maximum_power_total": "högsta sammanlagda effekt",
    "model_version": "modellversion",
    "moisture": "fukt",
    "on_time": "tid i drift",
    "operating_time": "drifttid",
    "operator_specific": "operatörens eget",
    "parameter_activation_state": "parameterläge",
    "parameter_set": "parameteruppsättning",
    "password": "lösenord",
    "phase_voltage_to_current": "fasvinkel spänning-ström",
    "phase_voltage_to_voltage": "fasvinkel spänning-spänning",
    "plain_text": "storhet i klartext",
    "power": "effekt",
    "pressure": "tryck",
    "radio_data_container": "radiobehållare",
    "reactive_energy": "reaktiv energi",
    "reactive_power": "reaktiv effekt",
    "relative_humidity": "relativ luftfuktighet",
    "remote_control": "fjärrstyrning",
    "reserved": "reserverat",
    "reset_counter": "nollställningsräknare",
    "response_delay": "svarsfördröjning",
    "retries": "omförsök",
    "return_temperature": "utgående temperatur",
    "security_key": "säkerhetsnyckel",
    "selected_application": "vald tillämpning",
    "signal_strength": "signalstyrka",
    "software_version": "programversion",
    "special_supplier_information": "leverantörens uppgift",
    "stop_counter": "stoppräknare",
    "storage_block_size": "lagringsblockets storlek",
    "storage_interval": "lagringsintervall",
    "tariff_and_subunit_descriptor": "beskrivning av tariff och delenhet",
    "tariff_duration": "tariffens längd",
    "tariff_period": "tariffperiod",
    "tariff_start": "tariffens början",
    "temperature_difference": "temperaturskillnad",
    "temperature_limit": "temperaturgräns",
    "time_point_second": "tidpunkt, sekund",
    "time_since_cumulation": "tid sedan summering",
    "time_since_readout": "tid sedan avläsning",
    "transmission_period": "sändningsintervall",
    "unreadable": "oläsligt",
    "voltage": "spänning",
    "volume": "volym",
    "volume_flow": "flöde",
    "week_number": "veckonummer",
}

_MODIFIERS_SV = {
    "average": "medelvärde",
    "inverse compact profile": "omvänd kompakt profil",
    "compact profile with registers": "kompakt profil med register",
    "compact profile": "kompakt profil",
    "uncorrected": "okorrigerat",
    "forward flow": "framåtflöde",
    "backward flow": "bakåtflöde",
    "lower limit": "undre gräns",
    "upper limit": "övre gräns",
    "leakage": "läckage",
    "overflow": "spill",
    "future value": "framtida värde",
    "at base conditions": "vid normaltillstånd",
    "at neutral": "i nolledaren",
    "absolute": "absolut",
    "since the set date": "sedan avläsningsdagen",
    "consumption of a month": "en månads förbrukning",
    "stored before": "lagrat tidigare",
    "mean of the season": "säsongens medelvärde",
    "mean of this month": "månadens medelvärde",
    "mean of last month": "förra månadens medelvärde",
    "highest of this month": "månadens högsta",
    "battery": "batteri",
    "unweighted": "oviktat",
    "total": "totalt",
}
_MODIFIER_PATTERNS_SV = (
    (re.compile(r"^at phase (L\d)$"), r"i fas \1"),
    (re.compile(r"^between (L\d) and (L\d)$"), r"mellan \1 och \2"),
    (re.compile(r"^manufacturer's (.*)$"), r"tillverkarens \1"),
    (re.compile(r"^per (.*)$"), r"per \1"),
    (re.compile(r"^end of month (\d+)$"), r"slutet av månad \1"),
    (re.compile(r"^at set date (\d)$"), r"vid avläsningsdag \1"),
    (re.compile(r"^mean at set date (\d)$"), r"medelvärde vid avläsningsdag \1"),
)


def quantity(name: str, language: str) -> str:
    """A record's quantity in words."""
    english = _QUANTITIES_EN.get(name, name.replace("_", " "))
    return _QUANTITIES_SV.get(name, english) if language == "sv" else english


def modifier(text: str, language: str) -> str:
    """A record's orthogonal VIFE in words."""
    if language != "sv":
        return text
    if text in _MODIFIERS_SV:
        return _MODIFIERS_SV[text]
    for pattern, swedish in _MODIFIER_PATTERNS_SV:
        if pattern.match(text):
            return pattern.sub(swedish, text)
    return text


_SPANS_SV = {
    "L-field": "L-fält",
    "C-field": "C-fält",
    "M-field": "M-fält",
    "A-field": "A-fält",
    "access number": "åtkomstnummer",
    "session number": "sessionsnummer",
    "payload CRC": "CRC för innehållet",
    "reserved": "reserverat",
    "rest": "rest",
    "status": "status",
    "configuration": "konfiguration",
    "configuration extension": "konfigurationens tillägg",
    "check": "kontroll",
    "address": "adress",
    "start, L-field": "start, L-fält",
    "check sum": "kontrollsumma",
    "stop": "slut",
    "filler": "utfyllnad",
    "manufacturer data": "tillverkarens data",
    "unreadable": "oläsligt",
    "format signature": "formatsignatur",
    "full frame CRC": "CRC för hela ramen",
    "right": "rätt",
    "message control": "meddelandestyrning",
    "key information": "nyckelinformation",
    "message counter": "meddelanderäknare",
    "message authentication code": "meddelandets autentiseringskod",
    "message length": "meddelandets längd",
    "unknown fields of the authentication layer": "okända fält i autentiseringsskiktet",
    "bytes after the end that the L-field announces": "byte efter det slut som L-fältet anger",
    "90 authentication and fragmentation layer": "90 autentiserings- och fragmenteringsskikt",
    "2F 2F: decrypted rightly": "2F 2F: rätt dekrypterat",
    "2F 2F: content stands in clear": "2F 2F: innehållet står i klartext",
    "one-way": "enkelriktad",
    "no error": "inget fel",
    "none": "ingen",
    "no value": "inget värde",
    "no data": "inga data",
    "invalid": "ogiltigt",
    "the meter marks its time as invalid": "mätaren märker sin tid som ogiltig",
    "no value (not a number)": "inget värde (inte ett tal)",
}
_SPAN_PATTERNS_SV = tuple(
    (re.compile(pattern), swedish)
    for pattern, swedish in (
        (r"\b(\d+) bytes follow\b", r"\1 byte följer"),
        (r"\b(\d+) bytes of header follow\b", r"\1 byte huvud följer"),
        (r"\b(\d+) idle bytes 2F\b", r"\1 tomma byte 2F"),
        (r"\b(\d+) bytes\b", r"\1 byte"),
        (r"^long frame\b", "lång ram"),
        (r", CRCs were right$", ", CRC:erna stämde"),
        (r"^manufacturer ([A-Z]{3})$", r"tillverkare \1"),
        (r"^identification (\S+),", r"identifiering \1,"),
        (r", type ([0-9A-F]{2})$", r", typ \1"),
        (r"^primary address (\d+)$", r"primäradress \1"),
        (r"\banswer of a meter\b", "svar från en mätare"),
        (r"\bsends unasked\b", "sänder utan att ha frågats"),
        (r"\binstallation request\b", "begär installation"),
        (r", answer$", ", svar"),
        (r"\bwants to be asked\b", "vill bli frågad"),
        (r"\bextended link layer$", "utökat länkskikt"),
        (r"\bheard by way of a repeater\b", "hörd genom en repeater"),
        (r"\btwo-way\b", "dubbelriktad"),
        (r"\bfast answer\b", "snabbt svar"),
        (r"\bsynchronous\b", "synkron"),
        (r"\bpriority\b", "prioriterad"),
        (r"\bmay be asked\b", "får frågas"),
        (r"\brepeated access\b", "upprepad åtkomst"),
        (r"\bnot encrypted\b", "inte krypterat"),
        (r"^fragment (\d+), more follows: False$", r"fragment \1, inget mer följer"),
        (r"^fragment (\d+), more follows: True$", r"fragment \1, mer följer"),
        (r"\bdata records$", "dataposter"),
        (r"\bcompact frame$", "kompakt ram"),
        (r"\bformat frame$", "formatram"),
        (r"\bfixed data structure$", "fast datastruktur"),
        (r"\bapplication error$", "programfel"),
        (r"\balarm$", "larm"),
        (r"\btransport layer only$", "bara transportskikt"),
        (r"\bmanufacturer's own data$", "tillverkarens egna data"),
        (r"\bunknown$", "okänt"),
        (r"^security none\b", "ingen säkerhet"),
        (r"^security\b", "säkerhet"),
        (r"\bmode (\d+)", r"läge \1"),
        (r"\b(\d+) blocks$", r"\1 block"),
        (r"\bDES, (\d+) bytes$", r"DES, \1 byte"),
        (r"\(not secure\)", "(inte säker)"),
        (r"^key (\d+), key derivation (\d+)$", r"nyckel \1, nyckelhärledning \2"),
        (r"\bapplication busy\b", "upptagen"),
        (r"\bany application error\b", "programfel"),
        (r"\babnormal condition\b", "onormalt tillstånd"),
        (r"\blow battery\b", "svagt batteri"),
        (r"\bpermanent error\b", "bestående fel"),
        (r"\btemporary error\b", "tillfälligt fel"),
        (r"\bmanufacturer's bits\b", "tillverkarens bitar"),
        (r"^record error: ", "postfel: "),
        (r"^not decimal digits: ", "inte decimala siffror: "),
        (r"^no such (?:time|date): ", "ingen sådan tidpunkt: "),
    )
)


def span_text(text: str, language: str) -> str:
    """A byte range's name or meaning, as the decoder's layers tell them."""
    if language != "sv":
        return text
    if text in _SPANS_SV:
        return _SPANS_SV[text]
    for pattern, swedish in _SPAN_PATTERNS_SV:
        text = pattern.sub(swedish, text)
    return text
