"""The words and symbols of the pages for what the program keeps as codes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from avlas.decode import families
from avlas.decode.error_words import error_text
from avlas.decode.registers import BY_CODE
from avlas.meters.models import State
from avlas.web import formats

if TYPE_CHECKING:
    from django.utils.functional import Promise

_MEDIA: Final[dict[str, str]] = dict(families.MEDIA.values())  # English, as rows keep it -> Swedish

MEDIUM_ICONS: Final[dict[str, str]] = {
    "heat": "heat",
    "cooling": "cooling",
    "heat/cooling": "heat-cooling",
    "water": "water",
    "cold water": "water",
    "warm water": "water",
    "hot water": "water",
    "electricity": "electricity",
    "pressure": "pressure",
}

STATE_TONES: Final[dict[State, str]] = {
    State.READ: "good",
    State.NO_KEY: "warn",
    State.WRONG_KEY: "bad",
    State.DAMAGED: "warn",
    State.UNKNOWN_LAYOUT: "warn",
    State.UNSUPPORTED: "warn",
    State.DOWNGRADED: "bad",
    State.CONTESTED: "bad",
    State.UNKNOWN_METER: "plain",
}

_STATE_HELP: Final[dict[State, Promise]] = {
    State.READ: _("The newest telegram was read."),
    State.NO_KEY: _(
        "The telegrams are encrypted and no key is here. Import the KEM file that came with the meter, or "
        "type in its key; the telegrams kept so far are then read as well."
    ),
    State.WRONG_KEY: _(
        "The key here does not open the telegrams. Import the newest KEM file for this meter, or correct its "
        "key."
    ),
    State.DAMAGED: _(
        "The newest telegram was damaged on the way. If it happens often, the signal is too weak or "
        "disturbed."
    ),
    State.UNKNOWN_LAYOUT: _(
        "The meter sends shortened telegrams whose layout is not known yet. They are kept and read as soon "
        "as one whole telegram has been heard; meters usually send one within a few minutes."
    ),
    State.UNSUPPORTED: _(
        "The meter sends in a way the program does not understand yet. The telegrams are kept."
    ),
    State.DOWNGRADED: _(
        "A telegram came in clear, with weaker protection or a second time, although this meter has been "
        "read with a key. It is not used as a reading, because somebody may have forged it."
    ),
    State.CONTESTED: _(
        "Two utilities claim this address. Nobody's readings are updated until the two have settled it."
    ),
    State.UNKNOWN_METER: _("The meter is not yours yet. Adopt it to keep its readings."),
}


def medium(value: str) -> str:
    """A medium in the reader's language; one without a translation is shown as it is."""
    return _MEDIA.get(value, value) if formats.language() == "sv" else value


MARKS: Final[dict[str, Promise]] = {
    "incomplete": _("incomplete"),
    "estimated": _("estimated and approved"),
    "interpolated": _("interpolated at its ends"),
    "exchange": _("meter exchange"),
    "rolled_over": _("register rolled over"),
    "backwards": _("counted backwards: somebody must look"),
    "conflict": _("the meter gave differing values"),
    "implausible": _("implausible"),
    "accepted": _("looked at and found right"),
    "sensor_error": _("sensor error"),
    "clock_wrong": _("the meter's clock was wrong"),
    "part_missing": _("a part is missing"),
    "info_code": _("info code"),
}
"""What consumption reports mark an interval with."""

MARK_SIGNS: Final[dict[str, str]] = {
    "incomplete": "…",
    "estimated": "≈",
    "interpolated": "~",
    "exchange": "⇄",
    "rolled_over": "↻",
    "backwards": "↓",
    "conflict": "≠",
    "implausible": "?",
    "accepted": "✓",
    "sensor_error": "!",
    "clock_wrong": "◷",
    "part_missing": "◐",
    "info_code": "▲",
}
MARK_TONES: Final[dict[str, str]] = {
    "backwards": "bad",
    "conflict": "warn",
    "implausible": "bad",
    "accepted": "good",
    "sensor_error": "bad",
    "clock_wrong": "warn",
    "part_missing": "warn",
    "info_code": "warn",
}


def state_help(state: State) -> str:
    """Why a telegram with this outcome can't be read and what to do about it."""
    return str(_STATE_HELP[state])


_FORGERIES: Final[dict[str, Promise]] = {
    "weaker security than this meter has been read with before": _(
        "weaker security than this meter has been read with before"
    ),
    r"its counter (?P<counter>\d+) is not above (?P<highest>\d+), heard (?P<late>\d+) seconds before: replayed": _(
        "its counter %(counter)s is not above %(highest)s, heard %(late)s seconds before: replayed"
    ),
}
"""How states.Freshness.judge says why a telegram is not trusted, and the words for people."""


def problem(said: str) -> str:
    """What was wrong with a telegram, as ingest keeps it in English, in the reader's language."""
    for pattern, words in _FORGERIES.items():
        if found := re.fullmatch(pattern, said):
            return str(words) % found.groupdict()
    return error_text(said, formats.language())


def register_name(code: str) -> str:
    """A register in the reader's language."""
    known = BY_CODE.get(code)
    return code if known is None else getattr(known, formats.language())


def signal_level(rssi_dbm: float | None) -> int:
    """How many of four bars a signal strength fills: -65 dBm or better is full, below -110 dBm is none."""
    if rssi_dbm is None:
        return 0
    return sum(rssi_dbm >= limit for limit in (-110, -95, -80, -65))


ROADS: Final[dict[str, Promise]] = {
    "radio": _("radio"),
    "wired": _("M-Bus, secondary address"),
    "primary": _("M-Bus, primary address"),
    "deveui": _("LoRaWAN"),
    "imei": _("mobile network"),
}
ROAD_NAMES: Final[dict[str, Promise]] = {"import": _("Imported files"), "api": _("Programs over the API")}


def security(value: str) -> str:
    """How telegrams are protected, as the decoder names it, in words."""
    if not value:
        return ""
    if value == "none":
        return gettext("not encrypted")
    how = value.removesuffix(" (not secure)")
    if how == value:
        return gettext("AES, %(how)s") % {"how": how}
    return gettext("%(how)s, not secure") % {"how": f"DES, {how}" if how.startswith("mode") else how}


def clock_error(seconds: int) -> str:
    """How far a meter's clock is off: "right", "5 min fast"."""
    if abs(seconds) < 90:
        return gettext("right")
    minutes = round(abs(seconds) / 60)
    size = f"{formats.number(minutes)} min" if minutes < 120 else f"{formats.number(round(minutes / 60))} h"
    return (
        gettext("%(size)s fast") % {"size": size}
        if seconds > 0
        else gettext("%(size)s slow") % {"size": size}
    )
