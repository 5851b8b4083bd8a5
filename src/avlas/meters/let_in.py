"""A person lets in telegrams of a meter that were not trusted.

A meter whose counter truly starts again (its module was exchanged or reset), or that sends in clear since a service,
looks like a forger for ever: each telegram is kept as DOWNGRADED and none becomes a reading. Somebody who knows what
happened lets them in: from then on the address is judged by what its newest such telegram says, and those kept since
its last reading become readings. Older ones stay out: the meter was read after them, so they were not its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from django.db import transaction

from avlas.decode.batch import NONE, Keyring, address_of, batch, headers
from avlas.meters import layouts, retro, states
from avlas.meters.keys import keys_for
from avlas.meters.models import MeterState, State, Telegram
from avlas.meters.slots import WIRED_BIT
from avlas.meters.states import Freshness
from avlas.system import audit

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

    from avlas.meters.ingest import IngestResult
    from avlas.meters.keys import Who
    from avlas.meters.models import Meter


class NothingToLetIn(Exception):  # noqa: N818
    """The meter has been read since its last untrusted telegram, or has none that can be read."""


@dataclass(frozen=True, slots=True)
class Distrusted:
    """The telegrams of a meter that are kept but not trusted. ``since_read``: those heard after its last reading."""

    telegrams: int
    since_read: int
    first_heard_at: datetime
    last_heard_at: datetime


def distrusted(meter: Meter) -> Distrusted | None:
    """Give what is kept of ``meter`` without being trusted; None when there is nothing."""
    moments = _kept(meter).order_by("heard_at").values_list("heard_at", flat=True)
    heard = cast("list[datetime]", list(moments))  # stored as seconds, see utc_seconds.py
    if not heard:
        return None
    last_read_at = _last_read_at(meter)
    since = [at for at in heard if last_read_at is None or at > last_read_at]
    first = since[0] if since else heard[0]
    return Distrusted(len(heard), len(since), first, heard[-1])


def let_in(meter: Meter, reason: str, who: Who) -> IngestResult:
    """Trust the meter's telegrams heard since its last reading; give what became of them.

    All of it happens in one transaction, with its line in the audit log, or nothing. Raises ValueError without a
    reason, NothingToLetIn, and what ingest raises.
    """
    reason = reason.strip()
    if not reason:
        raise ValueError("why the telegrams are let in must be said")
    with transaction.atomic():
        held = meter.states.filter(utility_id=meter.utility_id).order_by("id").select_for_update()
        rows = list(held)
        last_read_at = _last_read_at(meter)
        said = _newest_says(meter, {row.address for row in rows}, last_read_at)
        if not said:
            raise NothingToLetIn
        before = states.load_freshness(meter.utility_id, said)
        for address, fresh in said.items():
            MeterState.objects.filter(utility_id=meter.utility_id, address=address).update(
                secured=fresh.secured, counter=fresh.counter, counter_at=fresh.counter_at
            )
        result = retro.decode_waiting(
            meter.utility_id, [State.DOWNGRADED], [meter.pk], heard_after=last_read_at
        )
        audit.record(
            "meter.let_in", utility=meter.utility, user=who.user, computer=who.computer, target=str(meter),
            detail={
                "reason": reason,
                "telegrams": result.telegrams,
                "read": result.states[State.READ],
                "counters": {address: [before[address].counter, said[address].counter] for address in said},
            },
        )  # fmt: skip
    return result


def _kept(meter: Meter, heard_after: datetime | None = None) -> QuerySet[Telegram]:
    kept = Telegram.objects.filter(meter_id=meter.pk, state=State.DOWNGRADED)
    return kept if heard_after is None else kept.filter(heard_at__gt=heard_after)


def _last_read_at(meter: Meter) -> datetime | None:
    found = meter.states.exclude(last_read_at=None).order_by("-last_read_at").first()
    return found.last_read_at if found else None


def _newest_says(meter: Meter, addresses: set[str], heard_after: datetime | None) -> dict[str, Freshness]:
    """For each address what its newest untrusted telegram that can be read says of security and counter."""
    found: dict[str, Freshness] = {}
    for row in _kept(meter, heard_after).order_by("-heard_at").iterator(200):
        frame, wired = bytes(row.frame), bool(row.class_code & WIRED_BIT)
        heads = headers([frame], wired=wired)
        number = int(heads.address[0])
        address = number.to_bytes(8, "little").hex().upper()
        if not number or address in found or address not in addresses:
            continue
        who = address_of(number)
        identity = (who.manufacturer, who.identification)
        ring = Keyring()
        ring.set(number, keys_for(meter.utility_id, [identity])[identity])
        columns = batch(heads, None, ring, layouts.current())
        if columns.errors:
            continue
        counter = int(columns.counter[0])
        at = int(row.heard_at.timestamp())
        found[address] = Freshness(
            int(columns.security[0]),
            None if counter == NONE else counter,
            None if counter == NONE else at,
        )
        if len(found) == len(addresses):
            break
    return found
