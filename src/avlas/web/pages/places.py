"""Places: where exports are sent to and imports fetched from. Tested here; who answers is confirmed by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.system.models import Permission
from avlas.system.secrets import SecretError
from avlas.system.told import in_words
from avlas.transfer.places import opening, sftp
from avlas.transfer.places.place import Place, PlaceKind
from avlas.transfer.places.road import Identity, PlaceError
from avlas.web.pages.access import PageRequest, find, page, record, rows
from avlas.web.pages.place_form import PlaceForm, changed_server

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.utils.functional import Promise

_MAY: Final = Permission.SYSTEM_CONFIGURATION
KINDS: Final[dict[str, tuple[Promise, str]]] = {
    PlaceKind.SFTP: (
        gettext_lazy("A server by SSH, with its host key pinned. What most suppliers offer."),
        "key",
    ),
    PlaceKind.FTPS: (gettext_lazy("A server by FTP over TLS, its certificate checked or pinned."), "key"),
    PlaceKind.FOLDER: (
        gettext_lazy("A folder of the machine Avläs runs on, among those its operator allows."),
        "file",
    ),
    PlaceKind.HTTPS: (gettext_lazy("An address that takes files by PUT or POST, with a token."), "upload"),
    PlaceKind.MAIL: (
        gettext_lazy("An attachment to one or some addresses. Files can only be sent there."),
        "user",
    ),
}


@page(view=_MAY)
def places(request: PageRequest) -> HttpResponse:
    """All places of the utility with how their newest test went."""
    return render(request, "places/places.html", {"places": rows(request, Place).order_by("name")})


@page(view=_MAY)
def place(request: PageRequest, pk: int) -> HttpResponse:
    """One place: where it is, who answers there, how the newest test went."""
    return _show(request, find(request, Place, pk))


def _show(request: PageRequest, own: Place, shown: Identity | None = None) -> HttpResponse:
    public_key = ""
    if own.by_key:
        try:
            public_key = sftp.public_key(own.open_secret())
        except (SecretError, PlaceError):  # the test says it in words
            public_key = ""
    context = {
        "place": own,
        "fingerprint": opening.fingerprint(own),
        "public_key": public_key,
        "found": [in_words(one) for one in own.tested],
        "shown": shown,
    }
    return render(request, "places/place.html", context)


@page(view=_MAY, change=_MAY)
def add(request: PageRequest) -> HttpResponse:
    """Choose a kind, then say what it needs."""
    kind = request.POST.get("kind") or request.GET.get("kind")
    if not kind:
        kinds = [(one, PlaceKind(one).label, *KINDS[one]) for one in KINDS]
        return render(request, "places/place_kinds.html", {"kinds": kinds})
    if kind not in PlaceKind.values:
        raise Http404
    return _edit(request, Place(utility=request.utility, kind=kind), new=True)


@page(view=_MAY, change=_MAY)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change a place."""
    return _edit(request, find(request, Place, pk), new=False)


def _edit(request: PageRequest, own: Place, *, new: bool) -> HttpResponse:
    form = PlaceForm(
        request.POST if request.method == "POST" and "name" in request.POST else None,
        kind=PlaceKind(own.kind),
        utility=request.utility,
        own=None if new else own,
        runs_installation=request.user.runs_installation,
    )
    if form.is_bound and form.is_valid():
        taken = rows(request, Place).filter(name__iexact=form.cleaned_data["name"]).exclude(pk=own.pk)
        if taken.exists():
            form.add_error("name", _("There is a place of this name already."))
        else:
            with transaction.atomic():
                changed = _fill(own, form, runs_installation=request.user.runs_installation)
                own.save()
                record(request, "places.added" if new else "places.changed", target=own.name, detail=changed)
            messages.success(request, _("%(name)s is saved. Test it now.") % {"name": own.name})
            return redirect("place", own.pk)
    status = 422 if form.is_bound else 200
    return render(request, "places/place_form.html", {"form": form, "place": own, "new": new}, status=status)


def _fill(own: Place, form: PlaceForm, *, runs_installation: bool) -> dict[str, Any]:
    """Take over what the form says, in the transaction that saves it; gives what changed, secrets masked."""
    data, changed = form.cleaned_data, {}
    other = changed_server(own, data)
    if other:
        own.pinned = ""
        if not runs_installation:
            own.own_machine = False  # that was allowed for the server it had
    for name, value in data.items():
        if hasattr(own, name) and getattr(own, name) != value:
            changed[name] = [getattr(own, name), value]
            setattr(own, name, value)
    if form.secret:
        own.set_secret(form.secret)
        changed["secret"] = ["", "***"]
    elif other:
        own.set_secret("")
    own.works, own.tested_at, own.tested = None, None, []
    return changed


@page(view=_MAY, change=_MAY)
def test(request: PageRequest, pk: int) -> HttpResponse:
    """Go there; where somebody unknown answers, show who and ask whether that is right."""
    own = find(request, Place, pk)
    if request.method != "POST":
        return redirect("place", own.pk)
    shown = opening.test(own)
    with transaction.atomic():
        record(request, "places.tested", target=own.name, detail={"works": own.works})
    return redirect("place", own.pk) if shown is None else _show(request, own, shown)


@page(view=_MAY, change=_MAY)
def pin(request: PageRequest, pk: int) -> HttpResponse:
    """Pin who answers, if it is still the one whose fingerprint was confirmed; then test."""
    own = find(request, Place, pk)
    if request.method != "POST":
        return redirect("place", own.pk)
    seen = request.POST.get("fingerprint", "")
    try:
        with transaction.atomic():
            pinned = opening.pin(own, seen)
            if pinned:
                record(request, "places.pinned", target=own.name, detail={"fingerprint": seen})
    except PlaceError as problem:
        messages.error(request, in_words({"text": problem.text, "values": problem.values}))
        return redirect("place", own.pk)
    if not pinned:
        messages.error(request, _("Somebody else answers now than before. Nothing is pinned; test again."))
        return redirect("place", own.pk)
    return test(request, pk)


@page(view=_MAY, change=_MAY)
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Remove a place with its secret."""
    own = find(request, Place, pk)
    if request.method == "POST":
        with transaction.atomic():
            record(request, "places.removed", target=own.name, detail={"where": own.where})
            own.set_secret("")
            own.delete()
        messages.success(request, _("%(name)s is removed.") % {"name": own.name})
        return redirect("places")
    return render(request, "places/place_delete.html", {"place": own})
