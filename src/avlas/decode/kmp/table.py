"""What numbers mean in KMP: registers, commands, meter types, loggers (fact sheet on KMP, 4.2, 4.4 to 4.6).

The names are ours; a register that is also one of registers.py stands there under its code.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

GET_TYPE, GET_SERIAL, SET_CLOCK, GET_REGISTER, PUT_REGISTER = 0x01, 0x02, 0x09, 0x10, 0x11
SET_CUT_OFF, GET_CUT_OFF, GET_EVENTS, CLEAR_EVENTS = 0x97, 0x98, 0x9B, 0x9C
LOG_TIME_PRESENT, LOG_LAST_PRESENT, LOG_ID_PRESENT, LOG_TIME_PAST, LOGGER = 0xA0, 0xA1, 0xA2, 0xA3, 0xB8
OLD_LOGS: Final = (LOG_TIME_PRESENT, LOG_LAST_PRESENT, LOG_ID_PRESENT, LOG_TIME_PAST)
CONFIGURATION, LOG_ID_PAST, LOG_LAST_ENTRY_PAST = 0x05, 0x06, 0x07  # below LOGGER
YEARLY, MONTHLY, DAILY, HOURLY = 2, 3, 4, 5  # loggers of the newer meters

COMMANDS: Final = {
    GET_TYPE: "GetType",
    GET_SERIAL: "GetSerialNo",
    0x07: "Reset",
    SET_CLOCK: "SetClock",
    GET_REGISTER: "GetRegister",
    PUT_REGISTER: "PutRegister",
    0x85: "Reset",
    SET_CUT_OFF: "SetCutOffState",
    GET_CUT_OFF: "GetCutOffState",
    GET_EVENTS: "GetEventStatus",
    CLEAR_EVENTS: "ClearEventStatus",
    LOG_TIME_PRESENT: "GetLogTimePresent",
    LOG_LAST_PRESENT: "GetLogLastPresent",
    LOG_ID_PRESENT: "GetLogIDPresent",
    LOG_TIME_PAST: "GetLogTimePast",
    LOGGER: "Logger",
}
LOGGER_COMMANDS: Final = {
    CONFIGURATION: "GetConfiguration",
    LOG_ID_PAST: "GetLogIDPastAbs",
    LOG_LAST_ENTRY_PAST: "GetLogLastEntryPastAbs",
}

# Register -> code in registers.py. High-resolution counters (155, 239, 266, 267) are left out: they roll over long
# before the counter they belong to.
CODES: Final = {
    60: "energy_heat_kwh",
    63: "energy_cooling_kwh",
    64: "tariff_2",
    65: "tariff_3",
    68: "volume_m3",
    69: "volume_2_m3",
    74: "volume_flow_m3h",
    75: "volume_flow_2_m3h",
    80: "power_kw",
    84: "input_a",
    85: "input_b",
    86: "flow_temperature_c",
    87: "return_temperature_c",
    88: "temperature_3_c",
    89: "temperature_difference_k",
    91: "pressure_1_bar",
    92: "pressure_2_bar",
    97: "energy_flow_m3c",
    99: "info_code",
    110: "energy_return_m3c",
    175: "error_hours",
    362: "tariff_4",
    1004: "operating_hours",
    # electricity
    1: "electricity_import_kwh",
    2: "electricity_export_kwh",
    3: "reactive_import_kvarh",
    4: "reactive_export_kvarh",
    23: "tariff_2",
    27: "tariff_3",
    31: "tariff_4",
    1023: "power_kw",
    1024: "power_export_kw",
}
INFO_CODE, INFO_BITS, CLOCK, DATE, DATE_AND_TIME, SERIAL = 99, 369, 1002, 1003, 348, 1001

METER_TYPES: Final = {
    0x0001: "MULTICAL 601 Pt500",
    0x0004: "MULTICAL 601 Pt100",
    0x0005: "MULTICAL 601 Pt500, 4-wire",
    0x1501: "MULTICAL 601 Pt500",
    0x1504: "MULTICAL 601 Pt100",
    0x1505: "MULTICAL 601 Pt500, 4-wire",
}
METER_FAMILIES: Final = {  # by the high byte of the type
    0x09: "top module",
    0x16: "base module",
    0x53: "Kamstrup 382",
    0x55: "Kamstrup 382",
    0x56: "Kamstrup 162",
    0x57: "Kamstrup 162",
    0x58: "Kamstrup 282",
    0x59: "Kamstrup 282",
    0x5A: "OMNIPOWER",
    0x60: "Kamstrup 351",
    0x61: "Kamstrup 351",
    0x75: "Kamstrup 351",
}
LOGGERS: Final = {
    0: "configuration log",
    1: "info log",
    YEARLY: "yearly log",
    MONTHLY: "monthly log",
    DAILY: "daily log",
    HOURLY: "hourly log",
    6: "minute log 1",
    7: "minute log 2",
    8: "software download log 1",
    9: "software download log 2",
}

OLD_INFO: Final = {
    0: "the log is empty",
    2: "out of range",
    3: "cut at the longest answer",
    4: "end of the log reached",
}
NEW_INFO: Final = {
    0: "no entries",
    1: "out of range",
    3: "unknown register",
    4: "entries cut",
    5: "format changed",
    6: "oldest entry reached",
    7: "newest entry reached",
    8: "memory error",
    9: "invalid",
    13: "registers cut",
}
CUT_OFF_ORDERS: Final = {1: "disconnect", 2: "release for reconnection", 3: "reconnect"}
CUT_OFF_STATES: Final = {
    0x00: "no cut-off",
    0x01: "off by command",
    0x04: "on",
    0x05: "warning",
    0x06: "off by limit",
    0x07: "off by prepayment",
    0x08: "released",
    0x09: "prepayment expired",
    0x0B: "off by button",
}


def meter_type(number: int) -> str:
    """The name behind GetType's number, "" when it is not known."""
    return METER_TYPES.get(number) or METER_FAMILIES.get(number >> 8, "")


def flags(info: int, names: dict[int, str]) -> tuple[str, ...]:
    """The set bits of an info field in words."""
    return tuple(names.get(bit, f"bit {bit}") for bit in range(info.bit_length()) if info >> bit & 1)


def register_name(register: int, language: str = "en") -> str:
    """What a register holds, in words; its number when it is not known."""
    names = _names().get(register)
    if names is None:
        return f"register {register}"
    return names[1] if language == "sv" else names[0]


def quantity(register: int) -> str:
    """The name as the JSON contract has it: "heat_energy", "register_515"."""
    return re.sub(r"[^a-z0-9]+", "_", register_name(register).lower()).strip("_")


@cache
def _names() -> dict[int, tuple[str, str]]:
    """Register -> (English, Swedish)."""
    return {number: (english, swedish) for number, english, swedish in (*_THERMAL, *_ELECTRIC, *_series())}


_THERMAL: Final = (
    (60, "heat energy", "värmeenergi"),
    (61, "energy E4, flow", "energi E4, framledning"),
    (62, "energy E5, return", "energi E5, returledning"),
    (63, "cooling energy", "kylenergi"),
    (64, "tariff register 2", "tariffregister 2"),
    (65, "tariff register 3", "tariffregister 3"),
    (66, "limit of tariff 2", "gräns för tariff 2"),
    (67, "limit of tariff 3", "gräns för tariff 3"),
    (68, "volume", "volym"),
    (69, "volume 2", "volym 2"),
    (72, "mass 1", "massa 1"),
    (73, "mass 2", "massa 2"),
    (74, "flow", "flöde"),
    (75, "flow 2", "flöde 2"),
    (80, "power", "effekt"),
    (84, "pulse input A", "pulsingång A"),
    (85, "pulse input B", "pulsingång B"),
    (86, "flow temperature", "ingående temperatur"),
    (87, "return temperature", "utgående temperatur"),
    (88, "temperature 3", "temperatur 3"),
    (89, "temperature difference", "temperaturskillnad"),
    (91, "pressure 1", "tryck 1"),
    (92, "pressure 2", "tryck 2"),
    (94, "energy E2, control", "energi E2, kontroll"),
    (95, "energy E6, tap water", "energi E6, tappvarmvatten"),
    (96, "energy E7", "energi E7"),
    (97, "volume × flow temperature", "volym × ingående temperatur"),
    (98, "target date", "måldatum"),
    (99, "info code", "infokod"),
    (104, "number of the meter on input B", "nummer på mätaren på ingång B"),
    (110, "volume × return temperature", "volym × utgående temperatur"),
    (112, "customer number, first digits", "kundnummer, första siffrorna"),
    (113, "info event counter", "räknare för infohändelser"),
    (114, "number of the meter on input A", "nummer på mätaren på ingång A"),
    (122, "temperature 4", "temperatur 4"),
    (152, "program number", "programnummer"),
    (153, "configuration 1", "konfiguration 1"),
    (154, "software check sum", "programmets kontrollsumma"),
    (155, "heat energy, high resolution", "värmeenergi, hög upplösning"),
    (157, "top module", "toppmodul"),
    (158, "base module", "bottenmodul"),
    (168, "configuration 2", "konfiguration 2"),
    (171, "base module 2", "bottenmodul 2"),
    (172, "external module", "extern modul"),
    (175, "error hours", "feltid"),
    (178, "differential energy", "differensenergi"),
    (179, "control energy", "kontrollenergi"),
    (180, "differential volume", "differensvolym"),
    (181, "control volume", "kontrollvolym"),
    (184, "primary address, module 1", "primäradress, modul 1"),
    (185, "secondary address, module 1", "sekundäradress, modul 1"),
    (218, "primary address, module 2", "primäradress, modul 2"),
    (219, "secondary address, module 2", "sekundäradress, modul 2"),
    (220, "primary address, external module", "primäradress, extern modul"),
    (221, "secondary address, external module", "sekundäradress, extern modul"),
    (222, "counter of configuration changes", "räknare för ändrad konfiguration"),
    (223, "volume, high resolution", "volym, hög upplösning"),
    (224, "pulse input A2", "pulsingång A2"),
    (225, "pulse input B2", "pulsingång B2"),
    (228, "configuration 3", "konfiguration 3"),
    (
        229,
        "mean flow temperature of the last integration",
        "ingående temperatur, medel vid senaste integrering",
    ),
    (
        230,
        "mean return temperature of the last integration",
        "utgående temperatur, medel vid senaste integrering",
    ),
    (234, "litres a pulse, input A", "liter per puls, ingång A"),
    (235, "litres a pulse, input B", "liter per puls, ingång B"),
    (239, "volume, high resolution", "volym, hög upplösning"),
    (259, "nominal flow", "nominellt flöde"),
    (266, "heat energy, high resolution", "värmeenergi, hög upplösning"),
    (267, "cooling energy, high resolution", "kylenergi, hög upplösning"),
    (338, "data quality", "datakvalitet"),
    (346, "software revision of the module", "modulens programversion"),
    (347, "customer number", "kundnummer"),
    (348, "date and time", "datum och tid"),
    (355, "coefficient of performance of the year", "värmefaktor, år"),
    (362, "tariff register 4", "tariffregister 4"),
    (364, "heat energy A1, discount", "värmeenergi A1, avdrag"),
    (365, "heat energy A2, surcharge", "värmeenergi A2, tillägg"),
    (366, "limit of temperature 5", "gräns för temperatur 5"),
    (367, "coefficient of performance of the month", "värmefaktor, månad"),
    (368, "configuration 4", "konfiguration 4"),
    (369, "info bits", "infobitar"),
    (371, "coefficient of performance", "värmefaktor"),
    (372, "power, input B1", "effekt, ingång B1"),
    (398, "flow temperature, one decimal", "ingående temperatur, en decimal"),
    (399, "return temperature, one decimal", "utgående temperatur, en decimal"),
    (400, "temperature difference, one decimal", "temperaturskillnad, en decimal"),
    (404, "meter type", "mätartyp"),
    (473, "energy E10", "energi E10"),
    (474, "energy E11", "energi E11"),
    (675, "radio interval", "radiointervall"),
    (1001, "serial number", "serienummer"),
    (1002, "clock", "klocka"),
    (1003, "date", "datum"),
    (1004, "operating hours", "drifttid"),
    (1005, "software edition", "programutgåva"),
    (1010, "customer number, last digits", "kundnummer, sista siffrorna"),
    (1032, "operation mode", "driftläge"),
)
_ELECTRIC: Final = (
    (1, "active energy, import", "aktiv energi, uttag"),
    (2, "active energy, export", "aktiv energi, inmatning"),
    (3, "reactive energy, import", "reaktiv energi, uttag"),
    (4, "reactive energy, export", "reaktiv energi, inmatning"),
    (5, "reactive energy, quadrant 1", "reaktiv energi, kvadrant 1"),
    (6, "reactive energy, quadrant 4", "reaktiv energi, kvadrant 4"),
    (13, "active energy, import, high resolution", "aktiv energi, uttag, hög upplösning"),
    (14, "active energy, export, high resolution", "aktiv energi, inmatning, hög upplösning"),
    (15, "reactive energy, import, high resolution", "reaktiv energi, uttag, hög upplösning"),
    (16, "reactive energy, export, high resolution", "reaktiv energi, inmatning, hög upplösning"),
    (17, "active energy, import, resettable", "aktiv energi, uttag, nollställbar"),
    (18, "active energy, export, resettable", "aktiv energi, inmatning, nollställbar"),
    (35, "mean power, import", "medeleffekt, uttag"),
    (36, "mean power, export", "medeleffekt, inmatning"),
    (37, "mean reactive power, import", "reaktiv medeleffekt, uttag"),
    (38, "mean reactive power, export", "reaktiv medeleffekt, inmatning"),
    (39, "maximum power, import", "högsta effekt, uttag"),
    (40, "maximum power, export", "högsta effekt, inmatning"),
    (41, "maximum reactive power, import", "högsta reaktiva effekt, uttag"),
    (42, "maximum reactive power, export", "högsta reaktiva effekt, inmatning"),
    (43, "accumulated maximum, import", "ackumulerad högsta effekt, uttag"),
    (44, "accumulated maximum, export", "ackumulerad högsta effekt, inmatning"),
    (47, "number of billing periods", "antal debiteringsperioder"),
    (50, "meter status", "mätarstatus"),
    (51, "meter number 1", "mätarnummer 1"),
    (52, "meter number 2", "mätarnummer 2"),
    (53, "meter number 3", "mätarnummer 3"),
    (54, "configuration of electricity meter 1", "elmätarens konfiguration 1"),
    (55, "configuration of electricity meter 2", "elmätarens konfiguration 2"),
    (56, "configuration of electricity meter 3", "elmätarens konfiguration 3"),
    (57, "special data", "särskilda data"),
    (58, "pulse input", "pulsingång"),
    (199, "interval of the load profile", "lastprofilens intervall"),
    (1023, "power, import", "effekt, uttag"),
    (1024, "power, export", "effekt, inmatning"),
    (1025, "reactive power, import", "reaktiv effekt, uttag"),
    (1026, "reactive power, export", "reaktiv effekt, inmatning"),
    (1029, "configuration of electricity meter 4", "elmätarens konfiguration 4"),
    (1031, "active energy, all quadrants", "aktiv energi, alla kvadranter"),
    (1039, "power threshold", "effekttröskel"),
    (1040, "counter of the power threshold", "räknare för effekttröskeln"),
    (1045, "status of the clock", "klockans status"),
    (1047, "real-time clock", "realtidsklocka"),
    (1049, "time of the maximum, import", "tidpunkt för högsta uttag"),
    (1058, "type number", "typnummer"),
    (1075, "configuration of electricity meter 5", "elmätarens konfiguration 5"),
    (1083, "check sum of the memory", "minnets kontrollsumma"),
    (1087, "state of the relay", "reläets läge"),
    (1088, "feedback of the relay", "reläets återkoppling"),
    (1126, "complete type number", "fullständigt typnummer"),
    (1173, "power factor", "effektfaktor"),
    (1175, "interval of debiting log 2", "intervall för debiteringslogg 2"),
    (1190, "highest import", "högsta uttag"),
    (1191, "lowest import", "lägsta uttag"),
    (1268, "M-Bus address", "M-Bus-adress"),
    (1271, "KMP address", "KMP-adress"),
    (1275, "reactive energy, quadrant 2", "reaktiv energi, kvadrant 2"),
    (1276, "reactive energy, quadrant 3", "reaktiv energi, kvadrant 3"),
    (1277, "apparent energy, import", "skenbar energi, uttag"),
    (1278, "apparent energy, export", "skenbar energi, inmatning"),
    (1305, "apparent power, import", "skenbar effekt, uttag"),
    (1306, "apparent power, export", "skenbar effekt, inmatning"),
    (1388, "voltage unbalance", "spänningsobalans"),
    (1390, "mains frequency", "nätfrekvens"),
    (1411, "last payment", "senaste betalning"),
    (1470, "phase sequence", "fasföljd"),
    (2010, "active tariff", "gällande tariff"),
    (6031, "software revision", "programversion"),
)


def _series() -> tuple[tuple[int, str, str], ...]:
    """Registers that come in rows: extremes of year and month, tariffs, phases."""
    found: list[tuple[int, str, str]] = []
    things = (("flow", "flöde"), ("power", "effekt"))
    ends = (("maximum", "högsta"), ("minimum", "lägsta"))
    periods = ((123, 383, "year", "år"), (138, 387, "month", "månad"))
    for first, times, period, period_sv in periods:
        for index, (thing, thing_sv, end, end_sv) in enumerate((*t, *e) for t in things for e in ends):
            words, words_sv = f"{end} {thing} of the {period}", f"{end_sv} {thing_sv}, {period_sv}"
            found.append((first + 2 * index, f"date of {words}", f"datum för {words_sv}"))
            found.append((first + 2 * index + 1, words, words_sv))
            found.append((times + index, f"time of {words}", f"tid för {words_sv}"))
    for first, period, period_sv in (
        (146, "year", "år"),
        (149, "month", "månad"),
        (379, "day", "dygn"),
        (381, "hour", "timme"),
    ):
        found.append(
            (first, f"mean flow temperature of the {period}", f"ingående temperatur, medel, {period_sv}")
        )
        found.append(
            (
                first + 1,
                f"mean return temperature of the {period}",
                f"utgående temperatur, medel, {period_sv}",
            )
        )
    for offset, period, period_sv in ((0, "day", "dygn"), (1, "hour", "timme")):
        found.append(
            (477 + offset, f"mean temperature 3 of the {period}", f"temperatur 3, medel, {period_sv}")
        )
        for pressure in (1, 2):
            number = 504 + 2 * offset + pressure
            found.append(
                (number, f"mean pressure {pressure} of the {period}", f"tryck {pressure}, medel, {period_sv}")
            )
    energies = (
        ("active energy, import", "aktiv energi, uttag"),
        ("active energy, export", "aktiv energi, inmatning"),
        ("reactive energy, import", "reaktiv energi, uttag"),
        ("reactive energy, export", "reaktiv energi, inmatning"),
    )
    for index, (energy, energy_sv) in enumerate(energies):
        low = [(19 + 4 * n + index, n + 1) for n in range(4)]
        high = [(1059 + 4 * index + n, n + 5) for n in range(4)]
        found += [
            (number, f"{energy}, tariff {tariff}", f"{energy_sv}, tariff {tariff}")
            for number, tariff in (*low, *high)
        ]
    found += [(1392 + n, f"hours in tariff {n + 1}", f"timmar i tariff {n + 1}") for n in range(8)]
    phases = (
        (1054, "voltage", "spänning"),
        (1076, "current", "ström"),
        (1080, "power, import", "effekt, uttag"),
        (1170, "power factor", "effektfaktor"),
        (1215, "mean voltage", "medelspänning"),
        (1218, "mean current", "medelström"),
        (1299, "active energy, import", "aktiv energi, uttag"),
        (1302, "active energy, export", "aktiv energi, inmatning"),
        (1344, "power, export", "effekt, inmatning"),
    )
    for first, thing, thing_sv in phases:
        found += [(first + n, f"{thing}, L{n + 1}", f"{thing_sv}, L{n + 1}") for n in range(3)]
    return tuple(found)
