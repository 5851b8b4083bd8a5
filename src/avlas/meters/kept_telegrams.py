"""The kept telegrams of one meter, opened with its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avlas.decode import telegram
from avlas.decode.errors import DecodeError
from avlas.meters.keys import keys_for
from avlas.meters.layouts import current
from avlas.meters.models import MeterState, Telegram

if TYPE_CHECKING:
    from avlas.decode import Telegram as Decoded
    from avlas.system.models import Utility

_TRIED = 50


def newest_readable(
    utility: Utility, number: str, key: bytes | None
) -> tuple[bytes, bytes | None, str, Decoded] | None:
    """Frame, key, format and decoded form of the newest telegram of the meter ``number`` that can be read.

    What was heard lately of meters that are nobody's yet counts too. ``key`` goes before the stored one.
    """
    for state in MeterState.objects.filter(utility=utility, identification=number.upper()):
        who = (state.manufacturer, state.identification)
        own = key or keys_for(utility.pk, [who]).get(who)
        for frame, kind in _frames(state):
            try:
                return frame, own, kind, telegram(frame, own, format=kind, layouts=current())
            except DecodeError:
                continue
    return None


def _frames(state: MeterState) -> list[tuple[bytes, str]]:
    recent = [bytes.fromhex(text) for _moment, _dbm, text in reversed(state.recent)]
    kept = []
    if state.meter_id is not None:
        rows = Telegram.objects.filter(meter_id=state.meter_id).order_by("-slot_at")
        kept = [bytes(frame) for frame in rows.values_list("frame", flat=True)[:_TRIED]]
    return [(frame, "wired" if frame[:1] == b"\x68" else "a") for frame in (*recent, *kept)]
