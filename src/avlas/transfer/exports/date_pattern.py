"""How moments are written: dd-MM-yyyy HH:mm and the like (a part of Unicode's date patterns, UTS 35)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from datetime import datetime

_PARTS: Final = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_TOKEN: Final = re.compile(r"yyyy|yy|MM|dd|HH|mm|ss|XXX|'[^']*'|[^\w']|[\d_]")
_OFFSET: Final = "\ue000"  # of no use to anybody


class BadPattern(ValueError):  # noqa: N818
    """The pattern can't be understood; the message says where, for people."""


@lru_cache(64)
def compiled(pattern: str) -> str:
    """The pattern for ``strftime``, with a mark where the offset (XXX: +01:00) goes. Raises BadPattern."""
    found, place = [], 0
    while place < len(pattern):
        token = _TOKEN.match(pattern, place)
        if token is None:
            raise BadPattern(
                _("“%(rest)s” is no part of a date; there are yyyy, yy, MM, dd, HH, mm, ss and XXX.")
                % {"rest": pattern[place:][:20]}
            )
        text, place = token[0], token.end()
        if text == "XXX":
            found.append(_OFFSET)
        elif text[0] == "'":
            found.append((text[1:-1] or "'").replace("%", "%%"))
        else:
            found.append(_PARTS.get(text, text.replace("%", "%%")))
    if not pattern.strip():
        raise BadPattern(_("Say how dates are written, such as dd-MM-yyyy HH:mm."))
    return "".join(found)


def written(pattern: str, moment: datetime) -> str:
    """``moment`` (in the zone it is to be shown in) by ``pattern``. Raises BadPattern."""
    text = moment.strftime(compiled(pattern).replace("%Y", f"{moment.year:04d}"))
    if _OFFSET not in text:
        return text
    offset = moment.strftime("%z")
    return text.replace(_OFFSET, f"{offset[:3]}:{offset[3:5]}")
