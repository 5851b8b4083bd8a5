"""The tables of transfer, each kind in its own module."""

from __future__ import annotations

from avlas.transfer.imports.models import Import, ImportDeed, ImportFile, ImportMapping, ImportRow

__all__ = ["Import", "ImportDeed", "ImportFile", "ImportMapping", "ImportRow"]
