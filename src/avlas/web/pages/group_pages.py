"""The utility's own groups of meters: the list of them, making, renaming and deleting one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django import forms
from django.contrib import messages
from django.http import QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.meters import groups
from avlas.meters.keys import Who
from avlas.meters.models import Group
from avlas.system.models import Permission
from avlas.web import formats
from avlas.web.pages.access import PageRequest, computer, find, page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpResponse

MANAGE: Final = Permission.GROUP_MANAGEMENT
_LISTS: Final = ("meters", "meter_stock", "points")
"""The lists in which what goes into a group is chosen."""


class GroupForm(forms.Form):
    """A group's name and what it is for."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy(
            "An area (Centre, East), a reading round, or a list to keep an eye on. A meter can be in many groups."
        ),
    )
    note = forms.CharField(label=gettext_lazy("Note"), max_length=300, required=False)


@page()
def group_list(request: PageRequest) -> HttpResponse:
    """All groups with how many meters they have."""
    counts = groups.counts(request.utility.pk)
    context = {
        "own": [
            (one, groups.choice_of(one), counts[groups.choice_of(one)])
            for one in groups.own(request.utility.pk)
        ],
        "built_in": [(key, title, counts[key]) for key, title in groups.BUILT_IN.items()],
    }
    return render(request, "pages/groups.html", context)


def group_form(
    request: PageRequest,
    form: GroupForm | None = None,
    *,
    ids: Sequence[int] = (),
    back: str = "",
    came_from: str = "meters",
) -> HttpResponse:
    """The page that makes a group, of the chosen meters ``ids`` when there are any.

    ``came_from``: the name of the list's address; ``back``: what was asked of it.
    """
    context = {
        "form": form or GroupForm(),
        "count": len(ids),
        "chosen": ",".join(map(str, ids)),
        "back": back,
        "came_from": came_from,
    }
    return render(request, "pages/group_form.html", context, status=422 if form else 200)


@page(view=MANAGE, change=MANAGE)
def add(request: PageRequest) -> HttpResponse:
    """Make a group; the meters in ``chosen`` are put into it at once."""
    if request.method != "POST":
        return group_form(request)
    ids = [
        int(text)
        for text in request.POST.get("chosen", "").split(",")
        if text.isascii() and text.isdigit() and len(text) < 19
    ]
    form = GroupForm(request.POST)
    if form.is_valid():
        who = Who(request.user, computer(request))
        try:
            group = groups.create(
                request.utility.pk, form.cleaned_data["name"], who, form.cleaned_data["note"]
            )
        except groups.BadGroup as problem:
            form.add_error("name", str(problem))
        else:
            count = groups.add(group, ids, who) if ids else 0
            text = ngettext(
                "The group %(name)s is made, with %(n)s meter.",
                "The group %(name)s is made, with %(n)s meters.",
                count,
            )
            if not ids:
                text = _("The group %(name)s is made. Tick meters in the list and add them to it.")
            messages.success(request, text % {"name": group.name, "n": formats.number(count)})
            return redirect(
                f"{reverse('meters')}?group={groups.choice_of(group)}" if ids else reverse("meters")
            )
    came_from = request.POST.get("came_from", "")
    return group_form(
        request,
        form,
        ids=ids,
        back=QueryDict(request.POST.get("list", "")).urlencode(),
        came_from=came_from if came_from in _LISTS else _LISTS[0],
    )


@page(view=MANAGE, change=MANAGE)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Give a group another name or note."""
    group = find(request, Group, pk)
    form = GroupForm(request.POST or None, initial={"name": group.name, "note": group.note})
    name = group.name
    if request.method == "POST" and form.is_valid():
        try:
            groups.change(
                group,
                form.cleaned_data["name"],
                form.cleaned_data["note"],
                Who(request.user, computer(request)),
            )
        except groups.BadGroup as problem:
            form.add_error("name", str(problem))
        else:
            messages.success(request, _("Saved."))
            return redirect("groups")
    context = {"form": form, "group": group, "name": name}
    return render(request, "pages/group_form.html", context, status=422 if request.method == "POST" else 200)


@page(view=MANAGE, change=MANAGE)
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Take a group away, after asking; its meters stay."""
    group = find(request, Group, pk)
    if request.method == "POST":
        groups.delete(group, Who(request.user, computer(request)))
        messages.success(request, _("The group %(name)s is deleted. Its meters stay.") % {"name": group.name})
        return redirect("groups")
    return render(request, "pages/group_delete.html", {"group": group, "count": group.members.count()})
