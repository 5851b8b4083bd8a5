"""The utility's own family files: ``families/*.toml`` in the data folder, handed to the decoder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from avlas.decode import families
from avlas.decode.family_files import own_families

if TYPE_CHECKING:
    from pathlib import Path

    from avlas.decode.family_files import FileProblem

logger = logging.getLogger(__name__)


def hand_over(folder: Path) -> tuple[FileProblem, ...]:
    """Hand the decoder what stands in ``folder``, which need not exist; what is wrong is logged and returned.

    A bad file never stops the others, nor the program.
    """
    texts = {}
    for path in sorted(folder.glob("*.toml")) if folder.is_dir() else ():
        try:
            texts[path.stem] = path.read_text(encoding="utf-8", errors="replace")
        except OSError as problem:
            logger.warning("%s can't be read: %s", path, problem.strerror)
    own, wrong = own_families(texts)
    families.hand_over(own)
    for one in wrong:
        logger.warning(
            "%s, line %d: %s. Meters of this file are read without it.",
            folder / f"{one.name}.toml",
            one.line,
            one.message,
        )
    return wrong
