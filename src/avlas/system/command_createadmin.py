"""``avlas createadmin``: the first person who can sign in, and the utility that person belongs to."""

from __future__ import annotations

import getpass
import os
import secrets
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from avlas.system.models import User, Utility

PASSWORD_ENVIRONMENT = "AVLAS_ADMIN_PASSWORD"  # noqa: S105 - the variable's name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags; whatever is not given is asked for when a person sits at the terminal."""
    parser.epilog = (
        "The first administrator also gets a utility and runs the installation. The password is asked for, "
        f"taken from {PASSWORD_ENVIRONMENT}, or made and printed with --generate."
    )
    parser.add_argument("--email", help="e-mail address, used to sign in")
    parser.add_argument("--first-name", default="", help="first name")
    parser.add_argument("--last-name", default="", help="last name")
    parser.add_argument("--utility", help="name of the utility; made when there is none by that name")
    parser.add_argument("--language", choices=["sv", "en"], default="sv", help="language of the pages")
    parser.add_argument("--generate", action="store_true", help="make a password and print it")


def run(args: argparse.Namespace) -> int:
    """Runs the command. Exit status 0 done, 1 with the reason on standard error."""
    import django

    django.setup()
    from django.core.exceptions import ValidationError

    from avlas.system.terminal import terminal_language

    with terminal_language():
        try:
            return _run(args)
        except ValidationError as error:
            print("\n".join(error.messages), file=sys.stderr)
        except EOFError:
            print(file=sys.stderr)
    return 1


def create_admin(
    email: str,
    password: str,
    *,
    utility_name: str,
    first_name: str = "",
    last_name: str = "",
    language: str = "sv",
) -> tuple[User, bool]:
    """Makes an administrator, and the utility when none has that name; True when the utility is new.

    The installation's first user also runs the installation. Raises ValidationError when the address is
    malformed or taken, or the password too weak.
    """
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError
    from django.db import transaction
    from django.utils.translation import gettext as _

    from avlas.system import audit
    from avlas.system.models import Role, User, Utility

    with transaction.atomic():
        name = utility_name.strip()
        utility = Utility.objects.filter(name__iexact=name).first()
        made = utility is None
        if utility is None:
            utility = Utility(name=name, slug=free_slug(name))
            utility.full_clean()
            utility.save()
            audit.record("access.utility_created", utility=utility, target=utility.name)
        user = User(
            email=email,
            utility=utility,
            role=Role.ADMINISTRATOR,
            first_name=first_name,
            last_name=last_name,
            language=language,
            runs_installation=not User.objects.exists(),
        )
        user.clean()
        if User.objects.filter(email=user.email).exists():
            raise ValidationError(
                _("There is already a user with the e-mail address %(email)s.") % {"email": user.email}
            )
        user.full_clean(exclude=["password"])
        validate_password(password, user)
        user.set_password(password)
        user.save()
        audit.record(
            "access.user_created", utility=utility, target=user.email, detail={"role": str(user.role)}
        )
    return user, made


def free_slug(name: str) -> str:
    """A short name for addresses, made from ``name``, that no utility has yet."""
    from django.utils.text import slugify

    from avlas.system.models import Utility

    base = slugify(name)[:50] or "utility"
    taken = set(Utility.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    number = 2
    slug = base
    while slug in taken:
        slug = f"{base}-{number}"
        number += 1
    return slug


def _run(args: argparse.Namespace) -> int:
    from django.utils.translation import gettext as _

    at_terminal = sys.stdin.isatty()
    email = args.email or (input(_("E-mail address: ")).strip() if at_terminal else "")
    if not email:
        print(_("Give the e-mail address with --email."), file=sys.stderr)
        return 1
    utility_name = args.utility or _which_utility(at_terminal=at_terminal)
    if not utility_name:
        print(_("There are several utilities; choose one with --utility."), file=sys.stderr)
        return 1
    password = _password(generate=args.generate, at_terminal=at_terminal)
    if not password:
        return 1
    user, made = create_admin(
        email,
        password,
        utility_name=utility_name,
        first_name=args.first_name,
        last_name=args.last_name,
        language=args.language,
    )
    names = {"utility": user.utility.name, "email": user.email}
    if made:
        print(_("Made the utility %(utility)s.") % names)
    print(_("Made the administrator %(email)s in %(utility)s.") % names)
    if args.generate:
        print(_("Password: %(password)s") % {"password": password})
    return 0


def _which_utility(*, at_terminal: bool) -> str:
    """The only utility's name, or the name for the first one; empty when there are several."""
    from django.utils.translation import gettext as _

    from avlas.system.models import Utility

    utilities: list[Utility] = list(Utility.objects.order_by("pk")[:2])
    if len(utilities) == 1:
        return utilities[0].name
    if at_terminal:
        return input(_("Name of the utility: ")).strip()
    return "" if utilities else "Avläs"


def _password(*, generate: bool, at_terminal: bool) -> str:
    """The password to be; empty, after saying why, when there is none."""
    from django.utils.translation import gettext as _

    if generate:
        return secrets.token_urlsafe(15)
    if given := os.environ.get(PASSWORD_ENVIRONMENT):
        return given
    if not at_terminal:
        print(
            _("There is no terminal to ask for a password: use --generate or set %(name)s.")
            % {"name": PASSWORD_ENVIRONMENT},
            file=sys.stderr,
        )
        return ""
    password = getpass.getpass(_("Password: "))
    if password != getpass.getpass(_("Password again: ")):
        print(_("The two passwords are not the same."), file=sys.stderr)
        return ""
    return password
