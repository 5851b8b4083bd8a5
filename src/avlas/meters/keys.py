"""The meters' keys: taken in from files or by hand, sealed in the database, opened for ingest, tested.

A key belongs to a utility, a manufacturer and an identification. The manufacturer may be empty: lists in
CSV and people often don't say it; such a key then serves whichever maker's meter has the number. A key is
never shown, logged or written anywhere but sealed (see ``system.secrets``).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _

from avlas.decode import link, telegram
from avlas.decode.errors import DecodeError, RecordError, UnknownLayout, WrongKey
from avlas.meters.kem import is_kem, read_kem
from avlas.meters.key_text import (
    N_,
    KeyEntry,
    KeyFileError,
    KeyList,
    Problem,
    parse_csv,
    parse_key,
    parse_manufacturer,
    parse_meter_number,
)
from avlas.meters.models import Generation, Key, MeterState, State, Telegram
from avlas.system import audit, secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from avlas.system.models import User, Utility

logger = logging.getLogger(__name__)

_CHUNK = 2000  # keys in one transaction: well under half a second on either database
_SAME_MAKER = ({"KAM", "KAW"},)  # letters that one maker uses side by side: Kamstrup's heat and water meters
_TESTED_TELEGRAMS = 50


@dataclass(frozen=True, slots=True)
class Who:
    """Who does something with keys, for the audit log; without a user it is the program's command line."""

    user: User | None = None
    computer: str = ""


@dataclass(slots=True)
class Stored:
    """What became of the keys handed in."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)
    meter_ids: set[int] = field(default_factory=set)  # heard meters whose key is new or another now


@dataclass(frozen=True, slots=True)
class KeyTest:
    """What a key does with telegrams already heard of a meter, counted."""

    opens: int = 0
    wrong: int = 0
    cannot_say: int = 0  # damaged, not encrypted, or encrypted in an unknown way


def explain(problem: KeyFileError | Problem) -> str:
    """The sentence about an error or a bad line, in the language of the moment."""
    if isinstance(problem, KeyFileError):
        return _(problem.text) % problem.values if problem.values else _(problem.text)
    place = _("Line %(number)d: %(text)s") if problem.kind == "line" else _("Meter %(number)d: %(text)s")
    return place % {"number": problem.number, "text": explain(problem.error)}


def read_file(data: bytes, password: str | None = None) -> KeyList:
    """The keys in a file's bytes, KEM, KEM2 or CSV, told apart by content. Raises KeyFileError."""
    return read_kem(data, password) if is_kem(data) else parse_csv(data)


def import_file(utility: Utility, name: str, data: bytes, password: str | None, who: Who) -> Stored:
    """Takes in all keys of a file named ``name``; bad lines are among the problems, the good go in.

    Raises KeyFileError when the file can't be read at all (then nothing is changed) and SecretError when
    keys can't be sealed.
    """
    found = read_file(data, password)
    stored = store(utility, found.entries, source=name, who=who)
    stored.problems = [*found.problems, *stored.problems]
    return stored


def add(utility: Utility, number: str, key: str, who: Who, manufacturer: str = "") -> Stored:
    """Takes in one key typed by hand. Raises KeyFileError saying what is wrong with it."""
    maker, identification = parse_meter_number(number)
    entry = KeyEntry(parse_manufacturer(manufacturer) or maker, identification, parse_key(key))
    stored = store(utility, [entry], source="", who=who)
    if stored.problems:
        raise stored.problems[0].error
    return stored


def store(utility: Utility, entries: Sequence[KeyEntry], *, source: str, who: Who) -> Stored:
    """Seals and stores keys, then lets telegrams that waited for them be read.

    The same key again changes nothing; another key replaces the one before. An entry that doesn't say its
    maker concerns the one key with its number that is there already, and one that does names a key whose
    maker was not known: a number never has both kinds. Stored in chunks, each
    with its audit event in its own transaction: after a crash the import can simply be made again.
    ``source`` is the file's name, empty for keys typed by hand.
    """
    result = Stored()
    for start in range(0, len(entries), _CHUNK):
        with transaction.atomic():
            chunk = _Chunk(utility, entries[start : start + _CHUNK], start + 1, source, who)
            _store_chunk(chunk, result)
    _read_waiting(utility, result.meter_ids)
    return result


def remove(key: Key, who: Who) -> None:
    """Deletes a key. Readings made with it stay."""
    with transaction.atomic():
        Generation.bump(key.utility_id)
        key.delete()
        audit.record(
            "keys.removed", utility=key.utility, user=who.user, computer=who.computer, target=_label(key)
        )


def open_key(key: Key) -> bytes:
    """The key's 16 bytes. Raises SecretError."""
    return secrets.decrypt(key.sealed, key.context())


def keys_for(utility_id: int, addresses: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bytes | None]:
    """The AES key of each (manufacturer, identification), None where the utility has none.

    A key stored for exactly this maker goes first, then one of the same maker's other letters, then one
    without a maker. A single damaged key is logged and passed over; SecretError is raised when the
    master key itself is missing or wrong.
    """
    wanted = list(dict.fromkeys(addresses))
    found: dict[tuple[str, str], bytes | None] = dict.fromkeys(wanted)
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        rows: dict[str, list[Key]] = {}
        for row in Key.objects.filter(
            utility_id=utility_id, identification__in={number for _maker, number in part}
        ):
            rows.setdefault(row.identification, []).append(row)
        for maker, identification in part:
            fitting = [row for row in rows.get(identification, ()) if _rank(row.manufacturer, maker)]
            for row in sorted(fitting, key=lambda row: -_rank(row.manufacturer, maker)):
                try:
                    found[maker, identification] = open_key(row)
                    break
                except secrets.SecretDamaged:
                    _report_damaged(row)
    return found


def try_key(utility_id: int, number: str, key: bytes, manufacturer: str = "") -> KeyTest:
    """Tries ``key`` on the telegrams kept of the meter: newest first, at most 50, read or not.

    Raises KeyFileError when ``number`` is no meter number.
    """
    maker, identification = parse_meter_number(number)
    maker = manufacturer or maker
    counts = {"opens": 0, "wrong": 0, "cannot_say": 0}
    for frame, kind in _kept_frames(utility_id, maker, identification):
        counts[_try(frame, kind, key)] += 1
    return KeyTest(**counts)


def seal_all_again(old: secrets.MasterKey, new: secrets.MasterKey) -> int:
    """Seals every key with the new master key (for ``secrets.rotate``). Raises SecretError; see there.

    A key that was damaged before is left as it is and logged: nobody can open it any more.
    """
    count = 0
    rows: list[Key] = []
    for row in Key.objects.order_by("pk").iterator(_CHUNK):
        try:
            row.sealed = new.encrypt(old.decrypt(row.sealed, row.context()), row.context())
        except (secrets.SecretDamaged, secrets.MasterKeyWrong):
            _report_damaged(row)
            continue
        count += 1
        rows.append(row)
        if len(rows) == _CHUNK:
            Key.objects.bulk_update(rows, ["sealed"], batch_size=200)
            rows = []
    Key.objects.bulk_update(rows, ["sealed"], batch_size=200)
    return count


@dataclass(slots=True)
class _Place:
    """A row of the key table while a chunk is taken in."""

    row: Key
    key: bytes | None  # None: damaged
    change: str = ""  # "added", "replaced", "named" (only the maker became known)


_Places = dict[str, dict[str, _Place]]  # identification -> manufacturer -> place


@dataclass(frozen=True, slots=True)
class _Chunk:
    utility: Utility
    entries: Sequence[KeyEntry]
    first: int  # number of the first entry, counted from 1
    source: str
    who: Who


def _store_chunk(chunk: _Chunk, result: Stored) -> None:
    utility, entries, source, who = chunk.utility, chunk.entries, chunk.source, chunk.who
    Generation.bump(utility.pk)  # first: it keeps every other change of this utility's keys waiting
    master = secrets.writing_key()
    places = _places(utility, entries)
    unchanged = 0
    for number, entry in enumerate(entries, chunk.first):
        try:
            unchanged += _take(entry, places, utility)
        except KeyFileError as error:
            result.problems.append(Problem("meter", number, error))
    changed = [place for makers in places.values() for place in makers.values() if place.change]
    for place in changed:
        place.row.sealed = master.encrypt(place.key or b"", place.row.context())
        if place.change != "named":
            place.row.source, place.row.created_by = source[:200], who.user
            place.row.created_at = datetime.now(UTC)
    Key.objects.bulk_create([place.row for place in changed if place.change == "added"], batch_size=500)
    Key.objects.bulk_update(
        [place.row for place in changed if place.change != "added"],
        ["manufacturer", "sealed", "source", "created_by", "created_at"],
        batch_size=200,
    )
    added, replaced = (
        [_label(place.row) for place in changed if place.change == kind] for kind in ("added", "replaced")
    )
    result.added += len(added)
    result.replaced += len(replaced)
    result.unchanged += unchanged
    heard = MeterState.objects.filter(
        utility=utility,
        meter__isnull=False,
        identification__in={place.row.identification for place in changed},
    )
    result.meter_ids |= set(heard.values_list("meter_id", flat=True))
    audit.record(
        "keys.imported" if source else "keys.added",
        utility=utility,
        user=who.user,
        computer=who.computer,
        target=source or entries[0].identification,
        detail={"added": added, "replaced": replaced, "unchanged": unchanged},
    )


def _places(utility: Utility, entries: Sequence[KeyEntry]) -> _Places:
    """The stored keys of the numbers in ``entries``."""
    found: _Places = {}
    wanted = {entry.identification for entry in entries}
    for row in Key.objects.filter(utility=utility, identification__in=wanted):
        try:
            key = open_key(row)
        except secrets.SecretDamaged:
            key = None
        found.setdefault(row.identification, {})[row.manufacturer] = _Place(row, key)
    return found


def _take(entry: KeyEntry, places: _Places, utility: Utility) -> bool:
    """Puts one entry into its place; True when the key was there already. Raises KeyFileError."""
    makers = places.setdefault(entry.identification, {})
    place = makers.get(entry.manufacturer)
    if place is None and entry.manufacturer and "" in makers:
        place = makers[entry.manufacturer] = makers.pop("")
        place.row.manufacturer = entry.manufacturer
        place.change = place.change or "named"
    if place is None and not entry.manufacturer and makers:
        if len(makers) > 1:
            raise KeyFileError(
                N_("There are keys of several makers for the number %(meter)s; say which maker's this is."),
                meter=entry.identification,
            )
        place = next(iter(makers.values()))
    if place is None:
        row = Key(utility=utility, manufacturer=entry.manufacturer, identification=entry.identification)
        makers[entry.manufacturer] = _Place(row, entry.key, "added")
        return False
    if place.key == entry.key:
        return True
    place.key = entry.key
    place.change = "added" if place.change == "added" else "replaced"
    return False


def _label(key: Key) -> str:
    return f"{key.manufacturer}{key.identification}"


def _report_damaged(key: Key) -> None:
    logger.error("The key of meter %s (row %d) is damaged; enter it again.", _label(key), key.pk)


def _rank(stored: str, asked: str) -> int:
    """How well a key's maker fits a meter's: 3 the same, 2 letters of the same maker, 1 not said, 0 no."""
    if stored == asked:
        return 3
    if not stored or not asked:
        return 1
    return 2 if any({stored, asked} <= letters for letters in _SAME_MAKER) else 0


def _kept_frames(utility_id: int, maker: str, identification: str) -> Iterator[tuple[bytes, str]]:
    """Telegrams kept of a meter and their format, newest first, at most as many as are tested."""
    left = _TESTED_TELEGRAMS
    states = MeterState.objects.filter(utility_id=utility_id, identification=identification)
    for state in states.order_by("-last_heard_at"):
        if not _rank(maker, state.manufacturer):
            continue
        for _at, _dbm, text in reversed(state.recent):
            frame = bytes.fromhex(text)
            yield frame, "wired" if frame[:1] == b"\x68" and frame[3:4] == b"\x68" else "a"
            left -= 1
        if state.meter_id is not None and left > 0:
            kept = Telegram.objects.filter(meter_id=state.meter_id).order_by("-slot_at")
            for class_code, raw in kept.values_list("class_code", "frame")[:left]:
                frame, kind = bytes(raw), "wired" if class_code >> 24 else "a"
                if _identification(frame, kind) == identification:
                    yield frame, kind
                    left -= 1


def _identification(frame: bytes, kind: str) -> str:
    """The number of the meter that a telegram is about, empty when it can't be told."""
    try:
        address = link.header(frame, kind).address
    except DecodeError:
        return ""
    return address.identification if address else ""


def _try(frame: bytes, kind: str, key: bytes) -> str:
    """What ``key`` does with one telegram: opens, wrong or cannot_say."""
    try:
        security = telegram(frame, key, format=kind).header.security
    except WrongKey:
        return "wrong"
    except (UnknownLayout, RecordError) as error:  # it was decrypted and checked; the content is the trouble
        security = error.header.security if error.header else "none"
    except DecodeError:
        return "cannot_say"
    return "cannot_say" if security == "none" else "opens"


def _read_waiting(utility: Utility, meter_ids: set[int]) -> None:
    """Lets the telegrams be decoded that waited for these meters' keys."""
    from avlas.meters.retro import decode_waiting  # retro needs ingest, and ingest needs keys

    ids = sorted(meter_ids)
    for start in range(0, len(ids), _CHUNK):
        decode_waiting(utility.pk, [State.NO_KEY, State.WRONG_KEY], ids[start : start + _CHUNK])
