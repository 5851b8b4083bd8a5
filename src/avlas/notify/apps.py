"""Django's entry to avlas.notify."""

from django.apps import AppConfig


class NotifyConfig(AppConfig):
    """The Django app avlas.notify."""

    name = "avlas.notify"
    label = "notify"
