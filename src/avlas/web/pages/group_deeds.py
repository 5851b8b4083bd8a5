"""Putting the meters chosen in a list into a group, and taking them out of it; the person is told what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from avlas.meters import groups
from avlas.meters.keys import Who
from avlas.web import formats
from avlas.web.pages.access import PageRequest, computer

if TYPE_CHECKING:
    from collections.abc import Sequence


def add(request: PageRequest, ids: Sequence[int], choice: str) -> None:
    """Put the meters ``ids`` into the own group that ``choice`` means."""
    group = groups.by_choice(request.utility.pk, choice)
    if group is None:
        messages.error(request, _("The group is no longer there. Nothing was changed."))
        return
    added = groups.add(group, ids, Who(request.user, computer(request)))
    text = ngettext(
        "%(n)s meter is put into the group %(name)s.", "%(n)s meters are put into the group %(name)s.", added
    ) % {"n": formats.number(added), "name": group.name}
    if there := len(ids) - added:
        text += " " + ngettext(
            "%(n)s was in it already.", "%(n)s were in it already.", there
        ) % {"n": formats.number(there)}  # fmt: skip
    messages.success(request, text)


def remove(request: PageRequest, ids: Sequence[int], choice: str) -> None:
    """Take the meters ``ids`` out of the own group that ``choice`` means."""
    group = groups.by_choice(request.utility.pk, choice)
    if group is None:
        messages.error(request, _("The group is no longer there. Nothing was changed."))
        return
    removed = groups.remove(group, ids, Who(request.user, computer(request)))
    if removed:
        text = ngettext(
            "%(n)s meter is taken out of the group %(name)s.",
            "%(n)s meters are taken out of the group %(name)s.",
            removed,
        )
        messages.success(request, text % {"n": formats.number(removed), "name": group.name})
    else:
        messages.warning(
            request, _("None of the chosen meters is in the group %(name)s.") % {"name": group.name}
        )
