"""Taking in a recorded file of telegrams through the browser, with an account of every line."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django import forms
from django.db import DatabaseError, transaction
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.collect import texts
from avlas.collect.collector import telegram_batch
from avlas.collect.drivers.heard import Notice
from avlas.collect.receiver import Received
from avlas.collect.recorded import NotRecorded, Recording
from avlas.meters import surplus
from avlas.meters.ingest import IngestResult, ingest
from avlas.meters.models import Collector, State
from avlas.meters.pace import Pace
from avlas.system.models import Permission
from avlas.web import formats
from avlas.web.pages.access import PageRequest, page, record, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpResponse

LARGEST: Final = 200 * 2**20
"""Bytes; larger recordings are imported by `avlas import`, which shows how far it has come."""
_PROBLEMS_SHOWN: Final = 200


class RecordingForm(forms.Form):
    """A recorded file, and when it was recorded if it does not say."""

    file = forms.FileField(label=gettext_lazy("Recorded file"))
    heard_at = forms.DateTimeField(
        label=gettext_lazy("Heard at"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"],
        help_text=gettext_lazy(
            "Only used for telegrams whose lines have no time of their own; empty means now."
        ),
    )

    def clean_heard_at(self) -> datetime | None:
        """A time that has been."""
        moment: datetime | None = self.cleaned_data["heard_at"]
        if moment and moment > datetime.now(UTC):
            raise forms.ValidationError(_("That time has not come yet."))
        return moment

    def clean_file(self) -> UploadedFile[bytes]:
        """A file that is not too large to be taken in while somebody waits."""
        upload: UploadedFile[bytes] = self.cleaned_data["file"]
        if (upload.size or 0) > LARGEST:
            raise forms.ValidationError(
                _(
                    "The file is larger than %(size)s MB. Import it on the computer Avläs runs on: "
                    "./run import FILE"
                )
                % {"size": formats.number(LARGEST // 2**20)}
            )
        return upload


@dataclass(slots=True)
class Outcome:
    """What became of a file."""

    name: str
    counts: IngestResult = field(default_factory=IngestResult)
    problems: list[str] = field(default_factory=list)
    bad: int = 0

    @property
    def telegrams(self) -> int:
        """How many telegrams were taken in."""
        return self.counts.telegrams

    @property
    def surplus(self) -> int:
        """How many of them said nothing new."""
        return self.counts.surplus

    @property
    def states(self) -> list[tuple[State, int]]:
        """What became of them."""
        return [(state, count) for state, count in self.counts.states.items() if count]


@page(view=Permission.READING_MANAGEMENT, change=Permission.READING_MANAGEMENT)
def import_file(request: PageRequest) -> HttpResponse:
    """The form and the account of what was imported."""
    form = RecordingForm(request.POST or None, request.FILES or None)
    result = None
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        path = _on_disk(upload)
        try:
            recording = Recording(path, form.cleaned_data["heard_at"] or datetime.now(UTC))
            result = _take_in(request, upload.name or "", recording)
        except NotRecorded:
            form.add_error(
                "file",
                _(
                    "No telegrams were found in the file. It should hold hexadecimal lines or what "
                    "wmbusmeters or rtl_wmbus wrote."
                ),
            )
        finally:
            path.unlink(missing_ok=True)
    failed = request.method == "POST" and result is None
    return render(
        request, "pages/import_file.html", {"form": form, "result": result}, status=422 if failed else 200
    )


def _on_disk(upload: UploadedFile[bytes]) -> Path:
    handle, name = tempfile.mkstemp(prefix="avlas-import-")
    with os.fdopen(handle, "wb") as file:
        for chunk in upload.chunks():
            file.write(chunk)
    return Path(name)


def _take_in(request: PageRequest, name: str, recording: Recording) -> Outcome:
    outcome = Outcome(name)
    with transaction.atomic():
        collector = _collector(request)
    pace = Pace()
    for batch in _batches(recording, outcome, pace):
        result = ingest(telegram_batch(collector.pk, batch))
        pace.note(len(batch), result)
        outcome.counts.add(result)
    with suppress(DatabaseError):  # all is stored; what waits, waits on
        surplus.add(collector.utility_id)
    with transaction.atomic():
        counts = {state.name.lower(): count for state, count in outcome.states}
        detail = {"telegrams": outcome.telegrams, "bad_lines": outcome.bad, **counts}
        record(request, "telegrams.imported", target=name, detail=detail)
    return outcome


def _collector(request: PageRequest) -> Collector:
    """The row that stands for imported files, made when it is missing."""
    found = rows(request, Collector).filter(spec="import").first()
    if found is not None:
        return found
    taken = set(rows(request, Collector).values_list("name", flat=True))
    name = next(n for n in ("import", *(f"import ({m})" for m in range(2, len(taken) + 3))) if n not in taken)
    return Collector.objects.create(
        utility=request.utility, name=name, spec="import", active=False, status="stopped"
    )


def _batches(recording: Recording, outcome: Outcome, pace: Pace) -> Iterator[list[Received]]:
    """Telegrams in batches of one road each; bad lines are noted on the way."""
    waiting: dict[bool, list[Received]] = {False: [], True: []}
    for number, event in recording:
        if isinstance(event, Notice):
            if event.level != "info":
                outcome.bad += 1
                if len(outcome.problems) < _PROBLEMS_SHOWN:
                    said = texts.words(event, formats.language())
                    outcome.problems.append(_("Line %(number)d: %(text)s") % {"number": number, "text": said})
            continue
        at = event.heard_at or recording.fallback_at
        part = waiting[event.wired]
        part.append(Received(event, at.timestamp()))
        if len(part) >= pace.size:
            yield part
            waiting[event.wired] = []
    yield from (part for part in waiting.values() if part)
