"""What is wrong with a file or a cell, as a text that is translated when it is shown."""

from __future__ import annotations

from typing import Any


class ImportProblem(Exception):  # noqa: N818 - the base of those below
    """``text`` is an English sentence marked with gettext_noop, ``values`` fill its blanks."""

    def __init__(self, text: str, /, **values: Any) -> None:
        super().__init__(text % values if values else text)
        self.text, self.values = text, values


class SheetError(ImportProblem):
    """The file can't be read as a table at all."""


class Misfit(ImportProblem):
    """A saved mapping no longer fits the file: a column it needs is missing."""


class CellError(ImportProblem):
    """One cell can't be what its column says."""
