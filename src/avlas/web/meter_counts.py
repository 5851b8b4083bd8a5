"""How many meters of a utility are read, missing, in trouble, or not adopted: a few looks at 100,000 addresses.

States change with every telegram and so have no index (see the migration 0005_state_index): what is asked of all of
them is asked in as few scans as can be, and what is asked of few of them of those alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from avlas.meters.models import State
from avlas.web.meter_search import MISSING_AFTER, count_meters

if TYPE_CHECKING:
    from datetime import datetime

_INSTALLED = "EXISTS (SELECT 1 FROM meters_installation i WHERE i.meter_id = {} AND i.to_at IS NULL)"
_EVER_INSTALLED = "EXISTS (SELECT 1 FROM meters_installation i WHERE i.meter_id = {})"


def count_states(utility_id: int, now: datetime) -> dict[str, int]:
    """Count the utility's meters by what they need; the names are those of the list's states, and ``new``.

    ``read`` and ``missing``: in and for MISSING_AFTER; ``info``: with an active info code; ``new``: addresses heard
    that are nobody's; each State but READ by its name in small letters.
    """
    since = int((now - MISSING_AFTER).timestamp())
    found = {state.name.lower(): 0 for state in State if state != State.READ} | {"new": 0, "info": 0}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(meter_id), count(DISTINCT meter_id) FROM meters_meterstate")
        addresses, heard = cursor.fetchone()
        each_once = addresses == heard  # else some meter is heard at several addresses, and counts once
        one = "*" if each_once else "DISTINCT meter_id"
        cursor.execute(
            f"SELECT count({one}) FROM meters_meterstate"
            " WHERE utility_id = %s AND meter_id IS NOT NULL AND last_read_at >= %s",
            [utility_id, since],
        )
        (found["read"],) = cursor.fetchone()
        cursor.execute(
            "SELECT state, CASE WHEN meter_id IS NULL THEN 1 ELSE 0 END, CASE WHEN info_code <> 0 THEN 1 ELSE 0 END,"
            " count(*) FROM meters_meterstate"
            " WHERE utility_id = %s AND (state <> 0 OR info_code <> 0 OR meter_id IS NULL) GROUP BY 1, 2, 3",
            [utility_id],
        )
        for state, is_new, informs, count in cursor.fetchall():
            if is_new:
                found["new"] += count
                continue
            found["info"] += count if informs else 0
            if state != State.READ:
                found[State(state).name.lower()] += count
        if not each_once:
            cursor.execute(
                "SELECT count(DISTINCT meter_id) FROM meters_meterstate WHERE utility_id = %s AND info_code <> 0",
                [utility_id],
            )
            (found["info"],) = cursor.fetchone()
            found["missing"] = count_meters(utility_id, "missing", now)
            return found
        cursor.execute(
            "SELECT count(*) FROM meters_meterstate s WHERE s.utility_id = %s AND s.meter_id IS NOT NULL"
            " AND (s.last_read_at IS NULL OR s.last_read_at < %s)"
            f" AND ({_INSTALLED.format('s.meter_id')} OR NOT {_EVER_INSTALLED.format('s.meter_id')})",
            [utility_id, since],
        )
        (found["missing"],) = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM meters_meter")
        if (
            cursor.fetchone()[0] != heard
        ):  # some have never been heard: those that are installed are missing too
            cursor.execute(
                "SELECT count(*) FROM meters_meter m WHERE m.utility_id = %s"
                " AND NOT EXISTS (SELECT 1 FROM meters_meterstate s WHERE s.meter_id = m.id)"
                f" AND {_INSTALLED.format('m.id')}",
                [utility_id],
            )
            found["missing"] += cursor.fetchone()[0]
    return found
