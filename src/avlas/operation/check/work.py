"""What goes on: receivers, jobs, messages, the meters' keys."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from avlas.collect import texts
from avlas.job_kinds import KINDS
from avlas.meters.models import Collector, Key, MeterState, State
from avlas.meters.receiver_silence import silent_receivers
from avlas.operation.check.finding import Finding, bad, moment, number, ok, warning
from avlas.system import jobs as system_jobs
from avlas.system import secrets
from avlas.system.models import Delivery, DeliveryStatus, Job, MailServer, Road
from avlas.system.told import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avlas.operation.check.finding import Asked

NEVER_HEARD_AFTER: Final = timedelta(minutes=30)
SILENT_AFTER: Final = timedelta(days=1)  # of one that has no habits yet; others are missed by theirs
STUCK_AFTER: Final = timedelta(hours=1)
GIVEN_UP_WITHIN: Final = timedelta(days=7)
_NO_RECEIVERS: Final = ("import", "api")
_NAMED: Final = 5  # of several the first ones are named


def receivers(asked: Asked) -> Iterator[Finding]:
    """Whether every receiver that should listen hears something."""
    area = _("Receivers")
    fine = 0
    missed = {one.collector.pk for one in silent_receivers(asked.utility_id, asked.now)}
    active = asked.rows(Collector).filter(active=True).exclude(spec__in=_NO_RECEIVERS)
    for one in active.select_related("utility").order_by("utility__name", "name"):
        found = _receiver(asked, one, missed=one.pk in missed)
        fine += found is None
        if found is not None:
            yield found
    if fine:
        said = ngettext("%(n)s receiver hears telegrams.", "%(n)s receivers hear telegrams.", fine)
        yield ok(area, said % {"n": number(fine)})
    elif not active.exists():
        yield ok(area, _("No receiver is set up."))


def _receiver(asked: Asked, one: Collector, *, missed: bool) -> Finding | None:
    area = _("Receivers")
    name = one.name if asked.utility_id else f"{one.name} ({one.utility.name})"
    why = texts.unpack(one.status_text, get_language() or "en")
    since = one.last_heard_at or one.status_at
    patience = SILENT_AFTER if one.last_heard_at else NEVER_HEARD_AFTER
    if one.status == "failed":
        return bad(
            area,
            _("%(name)s does not work: %(why)s") % {"name": name, "why": why},
            _("Mend it and look at the page Receivers."),
        )
    if one.status == "stopped":
        return bad(
            area,
            _("%(name)s should listen, but nothing listens to it.") % {"name": name},
            _("Start Avläs with ./run, or avlas collect on the machine with the receiver."),
        )
    if one.status == "waiting":
        return warning(
            area,
            _("%(name)s waits: %(why)s") % {"name": name, "why": why},
            _("It is tried again by itself; see that the receiver is plugged in and answers."),
        )
    if not missed and since is not None and asked.now - since <= patience:
        return None
    said = (
        _("%(name)s has heard nothing since %(when)s.") % {"name": name, "when": moment(one.last_heard_at)}
        if one.last_heard_at
        else _("%(name)s has never heard anything.") % {"name": name}
    )
    return warning(area, said, _("See antenna, cable and link mode; and that the program that listens runs."))


def jobs(asked: Asked) -> Iterator[Finding]:
    """Whether jobs are done, and go well."""
    area = _("Jobs")
    away = system_jobs.worker_away(KINDS, asked.now)
    if away:
        yield bad(
            area,
            _("Nothing does the jobs: work that is due is not begun."),
            _("Start the worker: ./run for all of Avläs, or ./run work alone."),
        )
    failing = list(asked.rows(Job).filter(failing_since__isnull=False, active=True).order_by("pk"))
    for job in failing:
        name = job.name or (str(KINDS[job.kind].name) if job.kind in KINDS else job.kind)
        run = job.runs.exclude(status__in=system_jobs.UNFINISHED).order_by("-pk").first()
        yield bad(
            area,
            _("The job %(name)s has failed since %(when)s. %(why)s")
            % {
                "name": name,
                "when": moment(job.failing_since) if job.failing_since else "",
                "why": in_words(run.told) if run else "",
            },
            _("Its log on the page Jobs says more."),
        )
    if not away and not failing:
        yield ok(area, _("Jobs are begun in time and go well."))


def mail(asked: Asked) -> Iterator[Finding]:
    """Whether messages leave."""
    area = _("Messages")
    every = asked.rows(Delivery)
    waiting = every.filter(status=DeliveryStatus.WAITING)
    mails = waiting.filter(road=Road.MAIL).count()
    found = []
    no_server = mails and not MailServer.objects.exists()
    if no_server:
        said = ngettext(
            "%(n)s mail waits, but there is no mail server.", "%(n)s mails wait, but there is no mail server.", mails
        )  # fmt: skip
        found.append(bad(area, said % {"n": number(mails)}, _("Set it up on the page Mail server.")))
    stuck = waiting.filter(created_at__lt=asked.now - STUCK_AFTER)
    late = (stuck.exclude(road=Road.MAIL) if no_server else stuck).order_by("created_at")
    if late and (oldest := late.first()):
        said = ngettext(
            "%(n)s message has waited for more than an hour.",
            "%(n)s messages have waited for more than an hour.",
            len(late),
        ) % {"n": number(len(late))}
        found.append(
            warning(area, f"{said} {in_words(oldest.told)}".strip(), _("The page Messages says why."))
        )
    since = asked.now - GIVEN_UP_WITHIN
    if lost := every.filter(status=DeliveryStatus.FAILED, created_at__gte=since).count():
        said = ngettext(
            "%(n)s message was given up in the last seven days.",
            "%(n)s messages were given up in the last seven days.",
            lost,
        )
        found.append(warning(area, said % {"n": number(lost)}, _("The page Messages says why.")))
    yield from found or [ok(area, _("Messages leave in time."))]


def keys(asked: Asked) -> Iterator[Finding]:
    """Whether every stored meter key can be opened."""
    area = _("Meter keys")
    try:
        master = secrets.inspect()
    except secrets.SecretError:
        return  # said already, for all of them together
    every = asked.rows(Key)
    count, closed = 0, []
    if master is not None:
        for key in every.order_by("pk").iterator(2000):
            count += 1
            try:
                master.decrypt(key.sealed, key.context())
            except secrets.SecretError:
                closed.append(f"{key.manufacturer} {key.identification}".strip())
    if closed:
        said = ngettext(
            "%(n)s stored meter key can't be opened: %(which)s",
            "%(n)s stored meter keys can't be opened: %(which)s",
            len(closed),
        )
        which = ", ".join(closed[:_NAMED]) + (" …" if len(closed) > _NAMED else "")
        yield bad(
            area, said % {"n": number(len(closed)), "which": which}, _("Import their key file once more.")
        )
    else:
        said = ngettext(
            "%(n)s stored meter key can be opened.", "All %(n)s stored meter keys can be opened.", count
        )
        yield ok(area, said % {"n": number(count)} if count else _("No meter keys are stored."))


def meters(asked: Asked) -> Iterator[Finding]:
    """How many own meters can't be read for want of a key."""
    area = _("Meters")
    own = asked.rows(MeterState).filter(meter__isnull=False)
    without = own.filter(state=State.NO_KEY).count()
    wrong = own.filter(state=State.WRONG_KEY).count()
    if without:
        said = ngettext("%(n)s meter waits for its key.", "%(n)s meters wait for their keys.", without)
        yield warning(
            area, said % {"n": number(without)}, _("Import the key file: page Keys, or ./run keys import")
        )
    if wrong:
        said = ngettext("%(n)s meter has a wrong key.", "%(n)s meters have wrong keys.", wrong)
        yield warning(
            area, said % {"n": number(wrong)}, _("Ask the maker for the right keys and import them.")
        )
    if not without and not wrong:
        yield ok(area, _("No meter waits for a key."))
