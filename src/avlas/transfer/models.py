"""The tables of transfer; each is described in the module of its matter."""

from avlas.transfer.places.place import Place as Place  # noqa: PLC0414 - for Django
