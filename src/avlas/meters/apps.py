"""Values are kept: meters, where they sit, their keys and readings."""

from django.apps import AppConfig


class MetersConfig(AppConfig):
    """The Django app that keeps values."""

    name = "avlas.meters"
    label = "meters"

    def ready(self) -> None:
        """Every process knows the utility's own meter families before it decodes anything."""
        from django.conf import settings

        from avlas.meters.own_families import hand_over

        hand_over(settings.DATA / "families")
