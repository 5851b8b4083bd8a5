import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import avlas.system.models


class Migration(migrations.Migration):
    dependencies = [
        ("system", "0002_audit_table"),
    ]

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=40)),
                ("name", models.CharField(blank=True, max_length=100)),
                ("parameters", models.JSONField(default=dict)),
                ("every_minutes", models.PositiveSmallIntegerField(default=0)),
                ("cron", models.CharField(blank=True, max_length=100)),
                (
                    "time_zone",
                    models.CharField(
                        default="Europe/Stockholm",
                        max_length=60,
                        validators=[avlas.system.models.check_time_zone],
                    ),
                ),
                ("active", models.BooleanField(default=True)),
                ("standing", models.BooleanField(default=False)),
                ("tell", models.JSONField(default=list)),
                ("next_due_at", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "utility",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="jobs",
                        to="system.utility",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="JobRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("due_at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("running", "running"),
                            ("done", "done"),
                            ("failed", "failed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("not_before", models.DateTimeField()),
                ("worker", models.CharField(blank=True, max_length=80)),
                ("lease_until", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("progress_done", models.PositiveBigIntegerField(null=True)),
                ("progress_total", models.PositiveBigIntegerField(null=True)),
                ("told", models.JSONField(default=dict)),
                (
                    "asked_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="runs", to="system.job"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="JobLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("attempt", models.PositiveSmallIntegerField()),
                ("text", models.TextField()),
                ("values", models.JSONField(default=dict)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="lines", to="system.jobrun"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["next_due_at"], name="job_due"),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("standing", True)), fields=("kind",), name="one_standing_job_of_a_kind"
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cron__gt", ""), ("every_minutes", 0)),
                    models.Q(("cron", ""), ("every_minutes__gt", 0)),
                    _connector="OR",
                ),
                name="job_has_one_schedule",
            ),
        ),
        migrations.AddIndex(
            model_name="jobrun",
            index=models.Index(
                condition=models.Q(("status__in", ["waiting", "running"])),
                fields=["not_before"],
                name="jobrun_unfinished",
            ),
        ),
        migrations.AddConstraint(
            model_name="jobrun",
            constraint=models.UniqueConstraint(fields=("job", "due_at"), name="one_run_a_due_time"),
        ),
        migrations.AddConstraint(
            model_name="jobrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["waiting", "running"])),
                fields=("job",),
                name="one_unfinished_run_a_job",
            ),
        ),
    ]
