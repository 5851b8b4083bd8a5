import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("system", "0003_jobs"),
    ]

    operations = [
        migrations.CreateModel(
            name="MailServer",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("host", models.CharField(max_length=253)),
                ("port", models.PositiveIntegerField(default=587)),
                (
                    "security",
                    models.CharField(
                        choices=[
                            ("starttls", "STARTTLS (port 587)"),
                            ("tls", "TLS (port 465)"),
                            ("none", "none (own network)"),
                        ],
                        default="starttls",
                        max_length=10,
                    ),
                ),
                ("user", models.CharField(blank=True, max_length=254)),
                ("password", models.BinaryField(null=True)),
                ("sender", models.EmailField(max_length=254)),
                ("site_address", models.URLField(blank=True)),
                ("changed_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="one_mail_server")
                ],
            },
        ),
        migrations.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("url", models.URLField(max_length=500)),
                ("secret", models.BinaryField()),
                ("own_machine", models.BooleanField(default=False)),
                ("active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "utility",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhooks",
                        to="system.utility",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=150, unique=True)),
                ("event", models.CharField(max_length=60)),
                ("event_id", models.UUIDField(default=uuid.uuid4, unique=True)),
                (
                    "road",
                    models.CharField(
                        choices=[("mail", "e-mail"), ("webhook", "webhook")], default="mail", max_length=10
                    ),
                ),
                ("destination", models.CharField(max_length=500)),
                ("subject", models.CharField(blank=True, max_length=250)),
                ("body", models.TextField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("sending", "sending"),
                            ("sent", "sent"),
                            ("unsure", "unsure"),
                            ("failed", "given up"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_try_at", models.DateTimeField()),
                ("give_up_at", models.DateTimeField()),
                ("worker", models.CharField(blank=True, max_length=80)),
                ("lease_until", models.DateTimeField(null=True)),
                ("handed_over_at", models.DateTimeField(null=True)),
                ("sent_again", models.BooleanField(default=False)),
                ("sent_at", models.DateTimeField(null=True)),
                ("told", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
                (
                    "utility",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="system.utility",
                    ),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="deliveries",
                        to="system.webhook",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("status__in", ["waiting", "sending"])),
                        fields=["next_try_at"],
                        name="delivery_unfinished",
                    ),
                    models.Index(fields=["utility", "-created_at"], name="delivery_of_utility"),
                ],
            },
        ),
    ]
