"""Pictures as they are kept: whatever a phone sends becomes a JPEG of modest size that holds the picture and no more.

Place, time, camera and owner (EXIF, GPS, XMP, comments) are gone, because the picture is drawn anew.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

MOST_BYTES: Final = 25 * 2**20
MOST_PIXELS: Final = 60_000_000  # of what comes in; decoding more would take the memory of the machine
_FORMATS: Final = ("JPEG", "PNG", "WEBP")
_LONGEST, _SMALL, _QUALITY = 1600, 320, 82


class BadPicture(Exception):  # noqa: N818
    """It can't be kept; ``code``: "too_large" (bytes or pixels), "no_picture"."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture and a small one for lists, both JPEG."""

    content: bytes
    small: bytes


def as_kept(data: bytes) -> Kept:
    """Draw a JPEG, PNG or WebP anew. Raises BadPicture."""
    if len(data) > MOST_BYTES:
        raise BadPicture("too_large")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as read:
            if read.width * read.height > MOST_PIXELS:
                raise BadPicture("too_large")
            read.draft("RGB", (_LONGEST, _LONGEST))  # a JPEG is decoded no larger than needed
            turned = ImageOps.exif_transpose(read)
            picture = _on_white(turned)
    except Image.DecompressionBombError as problem:
        raise BadPicture("too_large") from problem
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as problem:
        raise BadPicture("no_picture") from problem
    picture.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    content = _jpeg(picture)
    picture.thumbnail((_SMALL, _SMALL), Image.Resampling.LANCZOS)
    return Kept(content, _jpeg(picture))


def _on_white(read: Image.Image) -> Image.Image:
    """The bare picture, without what the file says of it; see-through parts become white."""
    if read.mode in ("RGBA", "LA", "PA") or "transparency" in read.info:
        clear = read.convert("RGBA")
        drawn = Image.new("RGB", clear.size, "white")
        drawn.paste(clear, mask=clear.getchannel("A"))
        return drawn
    drawn = Image.new("RGB", read.size)
    drawn.paste(read.convert("RGB"))
    return drawn


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()
