"""Django's entry to avlas.transfer."""

from django.apps import AppConfig


class TransferConfig(AppConfig):
    """The Django app avlas.transfer."""

    name = "avlas.transfer"
    label = "transfer"
