"""The form of a place: what its kind needs, and when a secret must be given anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.system.told import in_words
from avlas.transfer.places import https, sftp
from avlas.transfer.places.folder import allowed_folders
from avlas.transfer.places.place import Place, PlaceKind
from avlas.transfer.places.road import PlaceError, checked_name
from avlas.web.pages.fields import mail_addresses, needed

if TYPE_CHECKING:
    from django.http import QueryDict

    from avlas.system.models import Utility

_FIELDS: Final = {
    PlaceKind.FOLDER: ("folder", "archive"),
    PlaceKind.SFTP: ("host", "port", "user", "by_key", "password", "private_key", "folder", "archive"),
    PlaceKind.FTPS: ("host", "port", "user", "password", "folder", "archive"),
    PlaceKind.HTTPS: ("url", "method", "token_header", "token"),
    PlaceKind.MAIL: ("to",),
}
_PORTS: Final = {PlaceKind.SFTP: 22, PlaceKind.FTPS: 21}
_SERVER: Final = ("host", "port", "user", "by_key", "url", "token_header")
"""Whose the secret is: when one of these changes, it is asked for anew."""
_PLAIN: Final = {"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}


def _secret(label: Any, **attrs: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password", **attrs})
    return forms.CharField(label=label, max_length=1000, required=False, strip=False, widget=widget)


class PlaceForm(forms.Form):
    """What a person says of a place; ``kind`` decides what is asked. A secret left empty stays as it is."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("Such as: Billing, inbox.")
    )
    host = forms.CharField(
        label=gettext_lazy("Server"),
        max_length=253,
        help_text=gettext_lazy("For example sftp.example.se."),
        widget=forms.TextInput(attrs=_PLAIN),
    )
    port = forms.IntegerField(label=gettext_lazy("Port"), min_value=1, max_value=65535)
    user = forms.CharField(label=gettext_lazy("User"), max_length=254, widget=forms.TextInput(attrs=_PLAIN))
    by_key = forms.TypedChoiceField(
        label=gettext_lazy("Signs in with"),
        choices=[("", gettext_lazy("a password")), ("1", gettext_lazy("a private key"))],
        coerce=bool,
        empty_value=None,
        required=False,
        widget=forms.RadioSelect,
    )
    password = _secret(gettext_lazy("Password"))
    private_key = forms.CharField(
        label=gettext_lazy("Private key"),
        max_length=10_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", **_PLAIN}),
        help_text=gettext_lazy(
            "Leave it empty and Avläs makes a new one; its public part is shown for the server's owner."
        ),
    )
    url = forms.URLField(
        label=gettext_lazy("Address"),
        max_length=500,
        assume_scheme="https",
        help_text=gettext_lazy("Begins with https://."),
        widget=forms.URLInput(attrs={"spellcheck": "false"}),
    )
    method = forms.ChoiceField(
        label=gettext_lazy("A file is sent"),
        choices=[
            (https.PUT, gettext_lazy("by PUT, its name added to the address")),
            (https.POST, gettext_lazy("by POST to the address")),
        ],
    )
    token_header = forms.RegexField(
        r"^[A-Za-z0-9-]+$",
        label=gettext_lazy("Header of the token"),
        max_length=60,
        help_text=gettext_lazy(
            "Usually Authorization (the token then goes as Bearer); else such as X-Api-Key."
        ),
        widget=forms.TextInput(attrs=_PLAIN),
    )
    token = _secret(gettext_lazy("Token"))
    folder = forms.CharField(
        label=gettext_lazy("Folder"), max_length=500, required=False, widget=forms.TextInput(attrs=_PLAIN)
    )
    archive = forms.CharField(
        label=gettext_lazy("Archive folder"),
        max_length=100,
        help_text=gettext_lazy(
            "Inside the folder: where fetched files are moved to when they are done with."
        ),
        widget=forms.TextInput(attrs=_PLAIN),
    )
    to = forms.CharField(
        label=gettext_lazy("To"),
        max_length=2000,
        help_text=gettext_lazy(
            "E-mail addresses, one a line. The file comes as an attachment, 10 MB at most."
        ),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    own_machine = forms.BooleanField(
        label=gettext_lazy("May lead to this computer itself"),
        required=False,
        help_text=gettext_lazy(
            "Otherwise addresses of this computer and of its closest surroundings are refused."
        ),
    )

    def __init__(
        self,
        data: QueryDict | None,
        *,
        kind: PlaceKind,
        utility: Utility,
        own: Place | None,
        runs_installation: bool,
    ) -> None:
        first: dict[str, Any] = {
            "port": _PORTS.get(kind), "archive": "archive", "token_header": "Authorization", "method": https.PUT
        }  # fmt: skip
        if own is not None:
            first |= {name: getattr(own, name) for name in self.base_fields if hasattr(own, name)}
            first["to"] = "\n".join(own.to)
            first["by_key"] = "1" if own.by_key else ""
        super().__init__(data, initial=first)
        self._own, self._kind, self._allowed = own, kind, allowed_folders(utility.slug)
        kept = {"name", *_FIELDS[kind]}
        if runs_installation and kind in (PlaceKind.SFTP, PlaceKind.FTPS, PlaceKind.HTTPS):
            kept.add("own_machine")
        for name in list(self.fields):
            if name not in kept:
                del self.fields[name]
        if kind == PlaceKind.FOLDER:
            self.fields["folder"].required = True
            self.fields["folder"].help_text = _("Inside one of: %(folders)s.") % {
                "folders": ", ".join(self._allowed) or _("none is allowed yet (AVLAS_TRANSFER_FOLDERS)")
            }
        elif "folder" in self.fields:
            self.fields["folder"].help_text = _("On the server. Empty: where one is after signing in.")
        if own is None and "password" in self.fields:
            needed(self.fields["password"])
        if own is not None and own.secret_id:
            for name in ("password", "token"):
                if name in self.fields and not own.by_key:
                    self.fields[name].help_text = _(
                        "One is stored. Leave this empty to keep it; it is asked for anew when server or user change."
                    )
            if own.by_key:
                self.fields["private_key"].help_text = _(
                    "One is stored. Leave this empty to keep it; when server or user change, a new one is made."
                )

    @property
    def secret(self) -> str:
        """What was given as a secret; "" to keep the one there is."""
        data = self.cleaned_data
        return str(data.get("private_key" if data.get("by_key") else "password", "") or data.get("token", ""))

    def clean_by_key(self) -> bool:
        """Whether by a private key."""
        return bool(self.cleaned_data["by_key"])

    def clean_host(self) -> str:
        """One name or address, nothing else."""
        host: str = self.cleaned_data["host"].strip().lower()
        if any(sign in host for sign in " /@") or "://" in host:
            raise forms.ValidationError(_("Write only the server's name, such as sftp.example.se."))
        return host

    def clean_url(self) -> str:
        """Https alone, and no password that would stand in lists."""
        url: str = self.cleaned_data["url"]
        if not url.startswith("https://"):
            raise forms.ValidationError(_("The address must begin with https://."))
        if "@" in url.split("/")[2]:
            raise forms.ValidationError(_("Leave user and password out; give a token below."))
        return url

    def clean_folder(self) -> str:
        """On this machine: a whole path inside what is allowed."""
        folder: str = self.cleaned_data["folder"].strip()
        if self._kind != PlaceKind.FOLDER:
            return folder
        inside = any(f"{folder}/".startswith(f"{one.rstrip('/')}/") for one in self._allowed)
        if not inside or ".." in folder.split("/"):
            raise forms.ValidationError(
                _("The folder %(folder)s is not among those that are allowed on this machine.")
                % {"folder": folder}
            )
        return folder

    def clean_archive(self) -> str:
        """A plain name."""
        try:
            return checked_name(self.cleaned_data["archive"])
        except PlaceError as problem:
            raise forms.ValidationError(in_words({"text": problem.text, "values": problem.values})) from None

    def clean_private_key(self) -> str:
        """A key that can be read."""
        key: str = self.cleaned_data["private_key"].strip()
        if key:
            try:
                sftp.public_key(key + "\n")
            except PlaceError as problem:
                raise forms.ValidationError(
                    in_words({"text": problem.text, "values": problem.values})
                ) from None
        return f"{key}\n" if key else ""

    def clean_to(self) -> list[str]:
        """The addresses, each once."""
        return mail_addresses(self.cleaned_data["to"])

    def clean(self) -> dict[str, Any]:
        """A stored secret is never sent to another server; a new private key is made where none is given."""
        data = super().clean() or {}
        if self.errors or self._kind in (PlaceKind.FOLDER, PlaceKind.MAIL) or self.secret_given(data):
            return data
        if self.keeps_secret(data):
            return data
        if data.get("by_key"):
            data["private_key"] = sftp.new_private_key()
        elif self._kind == PlaceKind.HTTPS:
            if self._own is not None and self._own.secret_id:
                self.add_error("token", _("Give the token again: the address has changed."))
        else:
            self.add_error("password", _("Give the password."))
        return data

    @staticmethod
    def secret_given(data: dict[str, Any]) -> bool:
        """Whether the form brings a secret of its own."""
        return bool(
            data.get("private_key") if data.get("by_key") else data.get("password") or data.get("token")
        )

    def keeps_secret(self, data: dict[str, Any]) -> bool:
        """Whether the stored secret goes with what the form says."""
        own = self._own
        return own is not None and bool(own.secret_id) and not changed_server(own, data)


def changed_server(own: Place, data: dict[str, Any]) -> bool:
    """Whether the form leads to another server, or as another user, than the row."""
    return any(name in data and getattr(own, name) != data[name] for name in _SERVER)
