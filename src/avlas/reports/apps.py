"""Django's entry to avlas.reports."""

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    """The Django app avlas.reports."""

    name = "avlas.reports"
    label = "reports"
