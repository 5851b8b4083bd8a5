"""The pages of jobs, messages, the mail server and webhooks: what people see, what they may do, what is audited."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, time, timedelta

import pytest
from django.urls import reverse

from avlas.job_kinds import KINDS
from avlas.system import jobs, outbox
from avlas.system.job_kind import JobFailed, Kind, Parameter
from avlas.system.models import AuditEvent, Delivery, Job, JobRun, MailServer, RunStatus, Webhook

pytestmark = pytest.mark.one_database

FORM = {
    "name": "Nattexport",
    "pattern": "daily",
    "daily_at": "06:30",
    "time_zone": "Europe/Stockholm",
    "tell": "",
}


def nothing(context):
    context.log("A line with %(n)s in it.", n=12345)


@pytest.fixture
def kind(monkeypatch):
    made = Kind(
        "test", "Provexport", "Skriver en fil.", nothing,
        (Parameter("folder", "Mapp"), Parameter("days", "Dagar", "number", 7, least=1, most=31),
         Parameter("headings", "Rubriker", "yes_no", default=True),
         Parameter("format", "Format", "choice", "csv", choices=(("csv", "CSV"), ("xlsx", "Excel")))),
    )  # fmt: skip
    monkeypatch.setitem(KINDS, "test", made)
    return made


PARAMETERS = {"parameter_folder": "/ut", "parameter_days": "14", "parameter_format": "xlsx"}


@pytest.fixture
def clerk(north, sign_in):
    return sign_in(north.superuser)


class TestList:
    def test_it_says_what_runs_when_and_how_it_went(self, north, clerk):
        text = clerk.get(reverse("jobs")).content.decode()
        for words in ("Nordby nattjobb", "varje vardag kl. 06:30", "misslyckades",
                      "Databasen kunde inte användas: Nordby full"):  # fmt: skip
            assert words in text
        assert f'action="{reverse("job_run_now", args=[north.job.pk])}"' in text

    def test_the_same_in_english(self, north, clerk):
        north.superuser.language = "en"
        north.superuser.save()
        text = clerk.get(reverse("jobs")).content.decode()
        assert "every weekday at 06:30" in text
        assert "The database could not be used: Nordby full" in text

    def test_the_installations_jobs_are_for_who_runs_it(self, north, south, sign_in):
        jobs.ensure_standing(KINDS)
        own = Job.objects.get(standing=True, kind="housekeeping")
        for user, seen in (
            (north.administrator, True),
            (north.superuser, False),
            (south.administrator, False),
        ):
            clerk = sign_in(user)
            assert (reverse("job", args=[own.pk]) in clerk.get(reverse("jobs")).content.decode()) is seen
            assert clerk.get(reverse("job", args=[own.pk])).status_code == (200 if seen else 404)
            assert clerk.post(reverse("job_run_now", args=[own.pk])).status_code == (302 if seen else 404)

    def test_it_says_when_nobody_works(self, clerk, north):
        warning = "Ingen utför jobben"
        assert warning not in clerk.get(reverse("jobs")).content.decode()
        Job.objects.filter(pk=north.job.pk).update(next_due_at=datetime.now(UTC) - timedelta(minutes=3))
        assert warning in clerk.get(reverse("jobs")).content.decode()

    def test_the_start_page_tells_of_a_failing_job_and_of_lost_messages(self, clerk, north):
        Delivery.objects.filter(utility=north.utility).update(status="unsure")
        text = clerk.get("/").content.decode()
        assert "Jobbet Nordby nattjobb misslyckas sedan" in text
        assert "2 meddelanden kan ha uteblivit" in text


class TestForm:
    CHOICES = (
        ({}, 0, "30 6 * * *"),
        ({"pattern": "minutes", "every_minutes": "15"}, 15, ""),
        ({"pattern": "hourly", "minute": "17"}, 0, "17 * * * *"),
        ({"pattern": "weekly", "weekly_at": "06:30", "weekdays": ["1", "2", "3", "4", "5"]}, 0, "30 6 * * 1-5"),
        ({"pattern": "weekly", "weekly_at": "7.00", "weekdays": ["7", "3"]}, 0, "0 7 * * 3,7"),
        ({"pattern": "monthly", "monthly_at": "03:00", "month_day": "-1"}, 0, "0 3 L * *"),
        ({"pattern": "cron", "cron": " 0  3 1 1,7 * "}, 0, "0 3 1 1,7 *"),
    )  # fmt: skip

    def test_every_choice_becomes_its_schedule_and_is_shown_again(self, north, clerk, kind):
        tell = {"tell": "Drift@Example.se\nanna@example.se, drift@example.se"}
        for chosen, every_minutes, cron in self.CHOICES:
            answer = clerk.post(reverse("job_add"), FORM | {"kind": "test"} | PARAMETERS | tell | chosen)
            made = Job.objects.latest("pk")
            assert answer.url == reverse("job", args=[made.pk])
            assert (made.every_minutes, made.cron, made.utility) == (every_minutes, cron, north.utility)
            form = clerk.get(reverse("job_edit", args=[made.pk])).context["form"]
            first = {name: form[name].value() for name in form.fields}
            first |= {name: f"{value:%H:%M}" for name, value in first.items() if isinstance(value, time)}
            again = {name: value for name, value in first.items() if value not in (None, "", False)}
            assert clerk.post(reverse("job_edit", args=[made.pk]), again).status_code == 302
            made.refresh_from_db()
            assert (made.every_minutes, made.cron) == (every_minutes, cron)
            assert AuditEvent.objects.filter(event="jobs.changed").latest("pk").detail == {}
        assert made.next_due_at > datetime.now(UTC)
        assert made.tell == ["drift@example.se", "anna@example.se"]
        assert made.parameters == {"folder": "/ut", "days": 14, "headings": False, "format": "xlsx"}
        assert AuditEvent.objects.filter(event="jobs.added").latest("pk").target == "Nattexport"
        page = clerk.get(answer.url).content.decode()
        assert "Excel" in page
        assert "drift@example.se, anna@example.se" in page

    NONSENSE = (
        ({"pattern": ""}, "pattern"),
        ({"daily_at": ""}, "daily_at"),
        ({"daily_at": "25:00"}, "daily_at"),
        ({"pattern": "minutes"}, "every_minutes"),
        ({"pattern": "minutes", "every_minutes": "0"}, "every_minutes"),
        ({"pattern": "weekly", "weekly_at": "06:00"}, "weekdays"),
        ({"pattern": "monthly", "monthly_at": "06:00"}, "month_day"),
        ({"pattern": "cron", "cron": "0 0 30 2 *"}, "cron"),
        ({"pattern": "cron", "cron": "varje dag"}, "cron"),
        ({"time_zone": "Europe/Nowhere"}, "time_zone"),
        ({"tell": "drift"}, "tell"),
        ({"parameter_days": "99"}, "parameter_days"),
        ({"parameter_folder": ""}, "parameter_folder"),
    )

    def test_what_makes_no_sense_is_refused_beside_its_field(self, north, clerk, kind):
        for change, field in self.NONSENSE:
            answer = clerk.post(reverse("job_add"), FORM | {"kind": "test"} | PARAMETERS | change)
            assert answer.status_code == 422
            assert list(answer.context["form"].errors) == [field], change
        assert not Job.objects.filter(name="Nattexport").exists()

    def test_without_a_kind_to_add_the_page_says_so(self, clerk, north, monkeypatch):
        for code in [one.code for one in KINDS.values() if one.standing is None]:
            monkeypatch.delitem(KINDS, code)
        assert "Det finns inget att lägga till" in clerk.get(reverse("job_add")).content.decode()
        assert clerk.get(reverse("job_add"), {"kind": "housekeeping"}).status_code == 404

    def test_a_standing_job_is_changed_and_paused_but_not_removed(self, north, sign_in):
        jobs.ensure_standing(KINDS)
        own, clerk = Job.objects.get(standing=True, kind="housekeeping"), sign_in(north.administrator)
        assert clerk.post(reverse("job_edit", args=[own.pk]), FORM | {"name": ""}).status_code == 302
        own.refresh_from_db()
        assert own.cron == "30 6 * * *"
        assert clerk.post(reverse("job_delete", args=[own.pk])).status_code == 403
        clerk.post(reverse("job_switch", args=[own.pk]), {"active": "0"})
        own.refresh_from_db()
        assert own.active is False


class TestRuns:
    def test_run_now_and_watch_it(self, north, clerk, kind):
        Job.objects.filter(pk=north.job.pk).update(kind="test")
        answer = clerk.post(reverse("job_run_now", args=[north.job.pk]))
        run = JobRun.objects.latest("pk")
        assert answer.url == reverse("job_run", args=[north.job.pk, run.pk])
        assert "väntar" in clerk.get(answer.url).content.decode()
        assert AuditEvent.objects.get(event="jobs.run_asked_for").user == north.superuser
        assert clerk.get(answer.url, headers={"HX-Request": "true"}).status_code == 200
        assert jobs.work_once(KINDS, threading.Event())
        live = clerk.get(answer.url, headers={"HX-Request": "true"})
        assert live.status_code == 286  # htmx asks no more
        text = live.content.decode()
        assert "A line with 12\u00a0345 in it." in text
        assert "gick bra" in text
        assert "Nordby superuser" in clerk.get(reverse("job", args=[north.job.pk])).content.decode()

    def test_a_running_one_shows_how_far_it_is_and_is_not_begun_again(self, north, clerk):
        run = JobRun.objects.create(
            job=north.job, due_at=datetime.now(UTC), not_before=datetime.now(UTC), status=RunStatus.RUNNING,
            attempts=1, progress_done=4210, progress_total=10000, lease_until=datetime.now(UTC),
        )  # fmt: skip
        text = clerk.get(reverse("jobs")).content.decode()
        assert '<progress class="bar" value="4210" max="10000"' in text
        assert "4\u00a0210 av 10\u00a0000" in text
        answer = clerk.post(reverse("job_run_now", args=[north.job.pk]), follow=True)
        assert "är redan på gång" in answer.content.decode()
        assert JobRun.objects.latest("pk") == run

    def test_one_that_waits_to_be_tried_again_is_tried_at_once(self, north, clerk, kind, monkeypatch):
        def fails(context):
            raise JobFailed("no")

        monkeypatch.setitem(KINDS, "test", Kind("test", "T", "T", fails))
        Job.objects.filter(pk=north.job.pk).update(kind="test")
        clerk.post(reverse("job_run_now", args=[north.job.pk]))
        jobs.work_once(KINDS, threading.Event())
        assert not jobs.work_once(KINDS, threading.Event())
        clerk.post(reverse("job_run_now", args=[north.job.pk]))
        assert jobs.work_once(KINDS, threading.Event())
        assert JobRun.objects.latest("pk").attempts == 2

    def test_pausing_and_going_on_leaves_out_what_was_missed(self, north, clerk):
        Job.objects.filter(pk=north.job.pk).update(next_due_at=datetime.now(UTC) - timedelta(days=3))
        for active in ("0", "1"):
            clerk.post(reverse("job_switch", args=[north.job.pk]), {"active": active})
        north.job.refresh_from_db()
        assert north.job.active
        assert north.job.next_due_at > datetime.now(UTC)
        assert AuditEvent.objects.filter(event__in=["jobs.paused", "jobs.resumed"]).count() == 2

    def test_a_job_of_an_unknown_kind_is_still_shown(self, north, clerk):
        Job.objects.filter(pk=north.job.pk).update(kind="of_a_later_version", name="")
        for name in ("jobs", "job"):
            address = reverse(name, args=[] if name == "jobs" else [north.job.pk])
            assert "of_a_later_version" in clerk.get(address).content.decode()


class TestMessages:
    def test_list_and_detail_tell_what_became_of_it(self, north, clerk):
        Delivery.objects.filter(utility=north.utility, road="mail").update(
            status="failed",
            told={"text": "The mail server answered: %(answer)s", "values": {"answer": "550 no"}},
        )
        text = clerk.get(reverse("messages"), {"status": "failed"}).content.decode()
        assert "E-postservern svarade: 550 no" in text
        assert "Nordby central" not in text
        assert "Nordby nattjobb misslyckades" in text
        assert "Inget meddelande är sådant" in clerk.get(reverse("messages"), {"q": "xyzzy"}).content.decode()
        own = Delivery.objects.get(utility=north.utility, road="mail")
        clerk.post(reverse("message_send_again", args=[own.pk]))
        own.refresh_from_db()
        assert own.status == "waiting"
        assert AuditEvent.objects.get(event="messages.sent_again").target == north.administrator.email
        page = clerk.post(reverse("message_send_again", args=[own.pk]), follow=True).content.decode()
        assert "redan på väg" in page

    def test_only_who_configures_sees_them(self, north, sign_in):
        for name in ("messages", "webhooks", "mail_server"):
            assert sign_in(north.user).get(reverse(name)).status_code == 403
        assert sign_in(north.superuser).get(reverse("mail_server")).status_code == 403


SERVER = {"host": "smtp.nordby.example", "port": "587", "security": "starttls", "user": "avlas",
          "password": "hemligt", "sender": "avlas@nordby.example", "site_address": "https://avlas.nordby.example"}  # fmt: skip


class TestMailServer:
    @pytest.fixture
    def clerk(self, north, sign_in):
        return sign_in(north.administrator)

    def test_saved_sealed_and_never_shown(self, clerk):
        assert clerk.post(reverse("mail_server"), SERVER | {"save": "1"}).status_code == 302
        row = MailServer.objects.get()
        assert outbox.mail_password(row) == "hemligt"
        assert b"hemligt" not in bytes(row.password)
        assert "hemligt" not in clerk.get(reverse("mail_server")).content.decode()
        event = AuditEvent.objects.get(event="mail.server_changed")
        assert "hemligt" not in str(event.detail)
        clerk.post(reverse("mail_server"), SERVER | {"password": "", "sender": "ny@nordby.example"})
        row.refresh_from_db()
        assert (row.sender, outbox.mail_password(row)) == ("ny@nordby.example", "hemligt")

    def test_a_stored_password_goes_to_no_other_server(self, clerk):
        clerk.post(reverse("mail_server"), SERVER | {"save": "1"})
        for change in ({"host": "evil.example"}, {"port": "25"}, {"security": "none"}, {"user": "annan"}):
            for button in ("save", "test"):
                answer = clerk.post(reverse("mail_server"), SERVER | {"password": "", button: "1"} | change)
                assert answer.status_code == 422
                assert list(answer.context["form"].errors) == ["password"]

    def test_the_test_shows_the_servers_own_answer(self, clerk, north):
        from aiosmtpd.controller import Controller
        from tests.notify.conftest import Mailbox, free_port

        box = Mailbox(port=free_port())
        box.answers = ["554 5.7.1 Sender not allowed"]
        server = Controller(box, hostname="127.0.0.1", port=box.port)
        server.start()
        try:
            form = SERVER | {"host": "127.0.0.1", "port": str(box.port), "security": "none", "user": "",
                             "password": "", "test": "1"}  # fmt: skip
            text = clerk.post(reverse("mail_server"), form).content.decode()
            assert "E-postservern svarade: 554 5.7.1 Sender not allowed" in text
            text = clerk.post(reverse("mail_server"), form).content.decode()
            assert "250 2.0.0 queued as 1" in text
        finally:
            server.stop()
        assert box.got[0]["To"] == north.administrator.email
        assert not MailServer.objects.exists()


class TestWebhooks:
    def test_added_with_a_secret_shown_once_and_tested(self, north, clerk):
        answer = clerk.post(
            reverse("webhook_add"), {"name": "Ärenden", "url": "https://x.example/in", "active": "on"}
        )
        hook = Webhook.objects.get(name="Ärenden")
        secret = outbox.webhook_secret(hook)
        assert secret in answer.content.decode()
        assert secret not in clerk.get(reverse("webhook_edit", args=[hook.pk])).content.decode()
        assert secret not in str(AuditEvent.objects.get(event="webhooks.added").detail)
        answer = clerk.post(reverse("webhook_test", args=[hook.pk]))
        sent = Delivery.objects.get(event="test")
        assert answer.url == reverse("message", args=[sent.pk])
        assert '"type": "test"' in sent.body
        assert clerk.post(reverse("webhook_new_secret", args=[hook.pk])).status_code == 200
        hook.refresh_from_db()
        assert outbox.webhook_secret(hook) != secret
        clerk.post(reverse("webhook_delete", args=[hook.pk]))
        sent.refresh_from_db()
        assert (sent.status, sent.webhook) == ("failed", None)

    def test_an_address_that_can_not_be(self, clerk):
        for url in ("ftp://x.example/", "https://u:p@x.example/", "x y", ""):
            answer = clerk.post(reverse("webhook_add"), {"name": "X", "url": url})
            assert list(answer.context["form"].errors) == ["url"]

    def test_only_who_runs_the_installation_lets_it_lead_inward(self, north, sign_in):
        hook = Webhook.objects.get(utility=north.utility)
        form = {"name": "N", "url": "http://localhost:1/", "active": "on", "own_machine": "on"}
        sign_in(north.superuser).post(reverse("webhook_edit", args=[hook.pk]), form)
        hook.refresh_from_db()
        assert (hook.url, hook.own_machine) == ("http://localhost:1/", False)
        sign_in(north.administrator).post(reverse("webhook_edit", args=[hook.pk]), form)
        hook.refresh_from_db()
        assert hook.own_machine is True
        sign_in(north.superuser).post(
            reverse("webhook_edit", args=[hook.pk]), form | {"url": "http://localhost:2/"}
        )
        hook.refresh_from_db()
        assert hook.own_machine is False  # it was allowed for another address
