"""Accounts of the utility's people, and what each role may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Max
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.system import people, permissions, second_factor
from avlas.system.models import AuditEvent, Language, Permission, Role, User
from avlas.web.pages.access import PageRequest, computer, find, page, rows
from avlas.web.pages.account import time_zones
from avlas.web.pages.passwords import make_link

if TYPE_CHECKING:
    from django.http import HttpResponse

_MAY: Final = Permission.ACCESS_CONTROL


class PersonForm(forms.Form):
    """An account as an administrator sees it."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address"), max_length=254, help_text=gettext_lazy("Used to sign in.")
    )
    first_name = forms.CharField(label=gettext_lazy("First name"), max_length=150, required=False)
    last_name = forms.CharField(label=gettext_lazy("Last name"), max_length=150, required=False)
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=Role.choices,
        help_text=gettext_lazy("What each role may do stands under Roles."),
    )
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=Language.choices)
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=time_zones)
    is_active = forms.BooleanField(
        label=gettext_lazy("May sign in"),
        required=False,
        initial=True,
        help_text=gettext_lazy(
            "Clear this when somebody leaves; what the person did stays in the audit log."
        ),
    )
    runs_installation = forms.BooleanField(
        label=gettext_lazy("Runs the installation"),
        required=False,
        help_text=gettext_lazy(
            "Sees to mail server, backups and the jobs of all utilities. It gives no sight of another utility's rows."
        ),
    )


@page(view=_MAY)
def users(request: PageRequest) -> HttpResponse:
    """Everybody with an account in the utility, who may sign in first."""
    found = list(rows(request, User).order_by("-is_active", "last_name", "first_name", "email"))
    signed_in = AuditEvent.objects.filter(utility_id=request.utility.pk, event="access.signed_in").order_by()
    seen = dict(signed_in.values_list("user_id").annotate(Max("at")))
    with_factor = second_factor.who_has_it(one.pk for one in found)
    shown = [(one, seen.get(one.pk), one.pk in with_factor) for one in found]
    return render(request, "pages/users.html", {"people": shown})


@page(view=_MAY, change=_MAY)
def add(request: PageRequest) -> HttpResponse:
    """Make an account; the answer shows the link by which its owner chooses a password."""
    first = {
        "role": Role.USER,
        "language": request.utility.new_language,
        "time_zone": request.utility.new_time_zone,
    }
    form = PersonForm(request.POST or None, initial=first)
    del form.fields["is_active"], form.fields["runs_installation"]
    if request.method == "POST" and form.is_valid():
        try:
            made = people.add(request.utility, form.cleaned_data, by=request.user, computer=computer(request))
        except ValidationError as problem:
            form.add_error("email", problem.messages)
        else:
            return _show_link(request, made)
    status = 422 if request.method == "POST" else 200
    return render(request, "pages/user_form.html", {"form": form, "person": None}, status=status)


@page(view=_MAY, change=_MAY)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change an account."""
    person = find(request, User, pk)
    first = {name: getattr(person, name) for name in people.CHANGEABLE}
    form = PersonForm(request.POST or None, initial=first)
    del form.fields["email"]
    if not request.user.runs_installation:  # only who has it can give it
        del form.fields["runs_installation"]
    if request.method == "POST" and form.is_valid():
        try:
            changed = people.change(person, form.cleaned_data, by=request.user, computer=computer(request))
        except ValidationError as problem:
            form.add_error(None, problem)
        else:
            if changed:
                messages.success(request, _("%(name)s is saved.") % {"name": person})
            return redirect("users")
    context = {"form": form, "person": person, "second_factor": second_factor.is_on(person)}
    return render(request, "pages/user_form.html", context, status=422 if request.method == "POST" else 200)


@page(view=_MAY, change=_MAY)
def link(request: PageRequest, pk: int) -> HttpResponse:
    """Make a new link for choosing a password."""
    person = find(request, User, pk)
    if request.method != "POST":
        return redirect("user_edit", person.pk)
    return _show_link(request, person)


@page(view=_MAY, change=_MAY)
def second_factor_reset(request: PageRequest, pk: int) -> HttpResponse:
    """Take a lost second factor away, so that its owner can sign in and set up a new one."""
    person = find(request, User, pk)
    if request.method == "POST":
        if second_factor.turn_off(person, by=request.user, computer=computer(request)):
            messages.success(request, _("The second factor of %(name)s is reset.") % {"name": person})
        return redirect("user_edit", person.pk)
    context = {"person": person, "on": second_factor.is_on(person)}
    return render(request, "pages/user_second_factor.html", context)


def _show_link(request: PageRequest, person: User) -> HttpResponse:
    """Make a link, show it once and, where there is a mail server, send it to its owner."""
    address, mailed = make_link(request, person, by=request.user)
    response = render(
        request, "pages/user_link.html", {"person": person, "address": address, "mailed": mailed}
    )
    response["Cache-Control"] = "no-store"
    return response


@page(view=_MAY, change=_MAY)
def roles(request: PageRequest) -> HttpResponse:
    """What each role may do; an administrator changes it for users and superusers."""
    changeable = [role for role in Role if role != Role.ADMINISTRATOR]
    if request.method == "POST":
        for role in changeable:
            wanted = [name for name in Permission.values if request.POST.get(f"{role}.{name}")]
            permissions.change(request.utility, role, wanted, user=request.user, computer=computer(request))
        messages.success(request, _("The roles are saved. They hold from the next page on."))
        return redirect("roles")
    given = {role: permissions.of_role(request.utility, role) for role in Role.values}
    matrix = [
        (permission, [(role, permission in given[role], role in changeable) for role in reversed(Role)])
        for permission in Permission
    ]
    return render(
        request,
        "pages/roles.html",
        {"matrix": matrix, "roles": list(reversed(Role)), "explained": _EXPLAINED},
    )


_EXPLAINED: Final = {
    Permission.DATA_ACCESS: gettext_lazy("See meters, readings and customers, and export them."),
    Permission.READING_MANAGEMENT: gettext_lazy("Import telegrams, start and stop receivers."),
    Permission.DEVICE_AND_CUSTOMER_MANAGEMENT: gettext_lazy(
        "Adopt, change and remove meters, customers and keys."
    ),
    Permission.GROUP_MANAGEMENT: gettext_lazy("Make, change and remove groups of meters."),
    Permission.SYSTEM_CONFIGURATION: gettext_lazy("Receivers, jobs, messages and settings."),
    Permission.ACCESS_CONTROL: gettext_lazy("Accounts, roles, API tokens and the audit log."),
}
