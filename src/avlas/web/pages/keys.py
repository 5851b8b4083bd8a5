"""The meters' keys: the list, importing KEM files, adding by hand, testing, removing. Never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import F, Q
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.meters import keys as meter_keys
from avlas.meters.kem import PasswordNeeded, WrongPassword
from avlas.meters.key_text import LIMIT_BYTES, KeyFileError, parse_key, parse_manufacturer, parse_meter_number
from avlas.meters.models import Key, MeterState, State
from avlas.system.models import Permission
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, computer, find, page, record, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponse
    from django.utils.functional import Promise

MANAGE: Final = Permission.DEVICE_AND_CUSTOMER_MANAGEMENT
SORTS: Final[dict[str, tuple[Promise, str]]] = {
    "meter": (gettext_lazy("Meter"), "identification"),
    "maker": (gettext_lazy("Maker"), "manufacturer"),
    "source": (gettext_lazy("Source"), "source"),
    "when": (gettext_lazy("Added"), "created_at"),
    "who": (gettext_lazy("By"), "created_by__email"),
}


def _who(request: PageRequest) -> meter_keys.Who:
    return meter_keys.Who(request.user, computer(request))


@page()
def keys(request: PageRequest) -> HttpResponse:
    """All keys: whose, from where, and whether they open what is heard."""
    wanted = asked(request.GET, columns=(), sorts=SORTS, default="-when")
    found = rows(request, Key)
    for word in wanted.words:
        found = found.filter(
            Q(identification__icontains=word) | Q(manufacturer__icontains=word) | Q(source__icontains=word)
        )
    field = F(SORTS[wanted.sort][1])
    order = field.desc(nulls_last=True) if wanted.descending else field.asc(nulls_last=True)
    total = found.count()
    number = min(wanted.page, max(1, -(-total // ROWS_PER_PAGE)))
    start = (number - 1) * ROWS_PER_PAGE
    shown = list(
        found.select_related("created_by")
        .defer("sealed")
        .order_by(order, "pk")[start : start + ROWS_PER_PAGE]
    )
    states: dict[str, list[MeterState]] = {}
    for state in (
        rows(request, MeterState)
        .filter(identification__in={key.identification for key in shown})
        .defer("recent")
    ):
        states.setdefault(state.identification, []).append(state)
    context = {
        "rows": [(key, *_use(key, states.get(key.identification, []))) for key in shown],
        "asked": wanted,
        "sorts": SORTS,
        "pages": Pages(total, number),
        "may_change": MANAGE in request.allowed,
    }
    fragment = request.htmx and not request.htmx.boosted
    return render(request, "pages/key_rows.html" if fragment else "pages/keys.html", context)


def _use(key: Key, states: list[MeterState]) -> tuple[str, MeterState | None]:
    """Whether a key opens telegrams: yes, no, unknown (heard, not tried) or unheard; and what is heard."""
    fitting = [s for s in states if not key.manufacturer or s.manufacturer == key.manufacturer] or states
    if not fitting:
        return "unheard", None
    state = max(fitting, key=lambda s: s.last_heard_at)
    if state.state == State.WRONG_KEY:
        return "no", state
    if state.secured or (state.state == State.READ and state.security not in ("", "none")):
        return "yes", state
    return "unknown", state


class ImportForm(forms.Form):
    """A key file and the password it was ordered with."""

    file = forms.FileField(
        label=gettext_lazy("Key file"),
        help_text=gettext_lazy(
            "KEM or KEM2 as it came from the maker (also zipped), or a CSV list of meter number and key."
        ),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("The password of the key file, if it has one. It is used once and not kept."),
    )


@page(view=MANAGE, change=MANAGE)
def import_file(request: PageRequest) -> HttpResponse:
    """Take in a key file and tell what came of every key."""
    form = ImportForm(request.POST or None, request.FILES or None)
    result = None
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        if upload.size > LIMIT_BYTES:
            form.add_error("file", _("The file is larger than any key file. Nothing was changed."))
        else:
            password = form.cleaned_data["password"] or None
            try:
                result = meter_keys.import_file(
                    request.utility, upload.name, upload.read(), password, _who(request)
                )
            except (PasswordNeeded, WrongPassword) as problem:
                form.add_error("password", meter_keys.explain(problem))
            except KeyFileError as problem:
                form.add_error("file", meter_keys.explain(problem))
    problems = [meter_keys.explain(one) for one in result.problems[:500]] if result else []
    context = {
        "form": form,
        "result": result,
        "problems": problems,
        **(_waiting(request, result) if result else {}),
    }
    failed = request.method == "POST" and result is None
    return render(request, "pages/key_import.html", context, status=422 if failed else 200)


def _waiting(request: PageRequest, result: meter_keys.Stored) -> dict[str, Any]:
    """How the heard meters among the imported keys are now."""
    now = (
        rows(request, MeterState)
        .filter(meter_id__in=list(result.meter_ids)[:5000])
        .values_list("state", flat=True)
    )
    counts = list(now)
    return {"now_read": counts.count(State.READ), "now_heard": len(counts)}


class AddForm(forms.Form):
    """One key, typed."""

    number = forms.CharField(
        label=gettext_lazy("Meter number"),
        max_length=40,
        help_text=gettext_lazy(
            "The serial number on the meter, 12345678, or with the maker's letters, KAM12345678."
        ),
    )
    maker = forms.CharField(
        label=gettext_lazy("Maker"),
        max_length=3,
        required=False,
        help_text=gettext_lazy("Three letters, like KAM."),
    )
    key = forms.CharField(
        label=gettext_lazy("Key"),
        max_length=80,
        help_text=gettext_lazy("32 hexadecimal digits. It is encrypted at once and never shown again."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )

    def _checked(self, name: str, parse: Callable[[str], Any]) -> str:
        text: str = self.cleaned_data[name]
        try:
            parse(text)
        except KeyFileError as problem:
            raise forms.ValidationError(meter_keys.explain(problem)) from problem
        return text

    def clean_number(self) -> str:
        """A meter number."""
        return self._checked("number", parse_meter_number)

    def clean_maker(self) -> str:
        """Three letters, or nothing."""
        return self._checked("maker", parse_manufacturer) if self.cleaned_data["maker"] else ""

    def clean_key(self) -> str:
        """A key of the right length."""
        return self._checked("key", parse_key)


@page(view=MANAGE, change=MANAGE)
def add(request: PageRequest) -> HttpResponse:
    """Add one key by hand, or only try it on what was heard."""
    form = AddForm(
        request.POST or None,
        initial={"number": request.GET.get("number", ""), "maker": request.GET.get("maker", "")},
    )
    test = None
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            if "test" in request.POST:
                test = meter_keys.try_key(
                    request.utility.pk, data["number"], parse_key(data["key"]), data["maker"].upper()
                )
                _record_test(request, f"{data['maker'].upper()}{data['number']}", test)
            else:
                stored = meter_keys.add(
                    request.utility, data["number"], data["key"], _who(request), data["maker"]
                )
                messages.success(request, _added_text(stored))
                return redirect("keys")
        except KeyFileError as problem:
            form.add_error(None, meter_keys.explain(problem))
    status = 422 if form.errors else 200
    return render(request, "pages/key_add.html", {"form": form, "test": test}, status=status)


def _added_text(stored: meter_keys.Stored) -> str:
    if stored.replaced:
        return _("The key replaces the one that was here before.")
    if stored.unchanged:
        return _("The same key was here already; nothing was changed.")
    return _("The key is added.")


def _record_test(request: PageRequest, name: str, found: meter_keys.KeyTest) -> None:
    """Trying a key tells whether it is right: that is written down, the key is not."""
    with transaction.atomic():
        record(request, "keys.tested", target=name, detail={"opens": found.opens, "wrong": found.wrong})


@page(view=MANAGE, change=MANAGE)
def test(request: PageRequest, pk: int) -> HttpResponse:
    """Try a kept key on telegrams already heard."""
    key = find(request, Key, pk)
    if request.method == "POST":
        name = f"{key.manufacturer}{key.identification}"
        found = meter_keys.try_key(
            request.utility.pk, key.identification, meter_keys.open_key(key), key.manufacturer
        )
        _record_test(request, name, found)
        if found.opens:
            text = ngettext(
                "The key of %(name)s opens %(opens)d telegram; %(wrong)d it does not open.",
                "The key of %(name)s opens %(opens)d telegrams; %(wrong)d it does not open.",
                found.opens,
            )
            messages.success(request, text % {"name": name, "opens": found.opens, "wrong": found.wrong})
        elif found.wrong:
            text = ngettext(
                "The key of %(name)s is wrong: it does not open the %(wrong)d telegram kept.",
                "The key of %(name)s is wrong: it opens none of the %(wrong)d telegrams kept.",
                found.wrong,
            )
            messages.error(request, text % {"name": name, "wrong": found.wrong})
        else:
            messages.warning(
                request, _("There is no encrypted telegram of %(name)s to try the key on.") % {"name": name}
            )
    return redirect("keys")


@page(view=MANAGE, change=MANAGE)
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Remove a key, after asking."""
    key = find(request, Key, pk)
    name = f"{key.manufacturer}{key.identification}"
    if request.method == "POST":
        meter_keys.remove(key, _who(request))
        messages.success(request, _("The key of %(name)s is removed.") % {"name": name})
        return redirect("keys")
    return render(request, "pages/key_delete.html", {"key": key, "name": name})
