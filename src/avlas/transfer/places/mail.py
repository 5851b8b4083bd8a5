"""An e-mail with the file attached, through the outbox: written now, sent and tried again by the worker."""

from __future__ import annotations

import uuid
from typing import IO, TYPE_CHECKING, Any, Final

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from avlas.system import outbox
from avlas.system.models import MailServer, User
from avlas.transfer.places.road import PlaceError, checked_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from avlas.system.models import Utility
    from avlas.transfer.places.road import Identity

MOST_BYTES: Final = 10 * 2**20
"""A larger attachment is refused by most mail servers."""


class Mail:
    """The road to some mail boxes (see ``road.Road``); files can only be sent there."""

    gives, takes = False, True

    def __init__(self, utility: Utility, name: str, to: Sequence[str]) -> None:
        self._utility, self._name, self._to = utility, name, to

    def test(self) -> list[tuple[str, dict[str, Any]]]:
        """Write a small mail to everybody."""
        if not MailServer.objects.exists():
            raise PlaceError(gettext_noop("No mail server is set up (Configuration, Mail server)."))
        self._put("test.txt", b"Avlas\n", f"place.test/{uuid.uuid4()}")
        return [
            (
                gettext_noop(
                    "A mail with a small file is on its way to %(to)s. What becomes of it stands in Messages."
                ),
                {"to": ", ".join(self._to)},
            )
        ]

    def identity(self) -> Identity | None:
        """Nothing to pin."""
        return None

    def send(
        self, name: str, stream: IO[bytes], *, key: str = "", hand_over: Callable[[], None] | None = None
    ) -> None:
        """Write a mail with it to everybody; the same ``key`` twice is one mail."""
        content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise PlaceError(
                gettext_noop("%(name)s is larger than %(megabytes)s MB, too large for an e-mail."),
                name=name,
                megabytes=MOST_BYTES >> 20,
                for_good=True,
            )
        if hand_over:
            hand_over()
        self._put(checked_name(name), content, key or f"place.sent/{uuid.uuid4()}")

    def has(self, name: str, size: int) -> bool | None:
        """Nobody can tell; the key keeps the same mail from being written twice."""
        del name, size
        return False

    def names(self, pattern: str = "*") -> list[str]:
        """Raise PlaceError: mail can't be fetched."""
        del pattern
        raise self._only_sends()

    def fetch(self, name: str) -> IO[bytes]:
        """Raise PlaceError: mail can't be fetched."""
        del name
        raise self._only_sends()

    def archive(self, name: str) -> None:
        """Raise PlaceError: mail can't be fetched."""
        del name
        raise self._only_sends()

    def _only_sends(self) -> PlaceError:
        return PlaceError(
            gettext_noop("No files can be fetched from %(place)s."), place=self._name, for_good=True
        )

    def _put(self, name: str, content: bytes, key: str) -> None:
        with transaction.atomic():
            for address in self._to:
                reader = User.objects.filter(email=address, utility=self._utility).first()
                with translation.override(reader.language if reader else "sv"):
                    outbox.mail(
                        address,
                        name,
                        _("%(name)s from %(utility)s is attached.")
                        % {"name": name, "utility": self._utility.name}
                        + "\n",
                        utility=self._utility,
                        event="file.sent",
                        key=f"{key}/{address}"[:150],
                        attachment=outbox.File(name, content),
                    )
