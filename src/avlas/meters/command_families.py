"""``avlas families``: which meters are known, a file drafted from a telegram, a file checked."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from avlas.decode.command import BadInput, hexadecimal_key, parse_line
from avlas.decode.errors import DecodeError
from avlas.decode.families import MEDIA, hand_over, known, named
from avlas.decode.family_draft import Heard, NoDraftError, draft
from avlas.decode.family_files import FORMATS, FileProblem, line_of, own_families
from avlas.decode.family_samples import differences
from avlas.decode.family_words import draft_text, problem_text
from avlas.decode.registers import REGISTERS
from avlas.decode.single import telegram
from avlas.system.terminal import language, text

if TYPE_CHECKING:
    from collections.abc import Iterator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own commands and their flags."""
    commands = parser.add_subparsers(dest="what", metavar="list|draft|check|registers")
    show = commands.add_parser("list", help="list the meters that are known by name")
    show.add_argument("word", nargs="?", default="", help="only those with this word in model or maker")
    make = commands.add_parser("draft", help="draft a family file from a telegram, to be gone through")
    make.add_argument("telegram", nargs="?", metavar="HEX", help="a telegram; or --meter")
    make.add_argument(
        "--meter", metavar="NUMBER", help="the last telegram kept of the meter with this number"
    )
    make.add_argument("--utility", help="short name of the utility, when there are several (with --meter)")
    make.add_argument(
        "--key", type=hexadecimal_key, metavar="HEX", help="the meter's key, 32 hexadecimal digits"
    )
    make.add_argument("--format", choices=FORMATS, default="auto", help="as of avlas decode")
    make.add_argument(
        "--as-heard", action="store_true", help="keep telegram, meter number and key in the sample"
    )
    check = commands.add_parser("check", help="say what is wrong or missing in family files, line by line")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="family files (TOML)")
    commands.add_parser("registers", help="list the registers a record can become")


def run(args: argparse.Namespace) -> int:
    """Runs the command. Exit status 0 done and right, 1 something is wrong and what."""
    if args.what == "draft":
        return _draft(args)
    if args.what == "check":
        return _check(args.files)
    if args.what == "registers":
        return _registers()
    return _list(getattr(args, "word", ""))


def _list(word: str) -> int:
    """One line a model, the user's own first; bad files are named on standard error and passed over."""
    own, wrong = own_families(_texts(_own_folder().glob("*.toml")))
    _complain(wrong, {one.name: _own_folder() / f"{one.name}.toml" for one in wrong})
    hand_over(own)
    swedish = language() == "sv"
    rows = [
        (
            who.model,
            who.manufacturer,
            f"{who.version:02X}",
            ", ".join(
                dict.fromkeys(
                    MEDIA[kind][swedish] if kind in MEDIA else f"{kind:02X}" for kind in who.device_types
                )
            ),
            ", ".join(family.roads),
            f"{family.name}.toml" + (f" ({text('own', 'egen')})" if family in own else ""),
        )
        for family in known()
        for who in family.meters
        if word.lower() in f"{who.model} {who.manufacturer}".lower()
    ]
    head = (
        ("Meter", "Maker", "Version", "Media", "Read by", "File")
        if not swedish
        else ("Mätare", "Tillverkare", "Version", "Medium", "Läses med", "Fil")
    )
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _registers() -> int:
    for register in REGISTERS:
        name = register.sv if language() == "sv" else register.en
        print(f"{register.code:26}  {register.unit or '-':7}  {name}")
    return 0


def _draft(args: argparse.Namespace) -> int:
    try:
        heard = _kept(args) if args.meter else _given(args)
        print(draft_text(draft(heard, as_heard=args.as_heard), language()), end="")
    except (DecodeError, NoDraftError, _NotFoundError) as error:
        print(text("No draft: ", "Inget utkast: ") + str(error), file=sys.stderr)
        return 1
    return 0


class _NotFoundError(Exception):
    """There is no telegram to draft from; the message says why."""


def _given(args: argparse.Namespace) -> Heard:
    if not args.telegram:
        raise argparse.ArgumentTypeError(
            text("give a telegram or --meter NUMBER", "ange ett telegram eller --meter NUMMER")
        )
    parsed = parse_line(args.telegram, args.key)
    if isinstance(parsed, BadInput):
        raise argparse.ArgumentTypeError(parsed.message)
    frame, key = parsed
    return Heard(frame, key, args.format, telegram(frame, key, format=args.format, accept_clear=True))


def _kept(args: argparse.Namespace) -> Heard:
    """The newest kept telegram of a meter that can be read, opened with its stored key."""
    import django

    django.setup()
    from avlas.meters.kept_telegrams import newest_readable
    from avlas.system.terminal import chosen_utility

    utility = chosen_utility(args.utility)
    if utility is None:
        raise _NotFoundError(text("no utility was chosen", "inget energibolag är valt"))
    found = newest_readable(utility, args.meter, args.key)
    if found is None:
        raise _NotFoundError(
            text(
                f"no telegram of meter {args.meter} is kept that can be read (see its page for why)",
                f"inget läsbart telegram från mätare {args.meter} finns sparat (mätarens sida säger varför)",
            )
        )
    return Heard(*found)


def _check(files: list[Path]) -> int:
    """Every file with all its problems, ``FILE:LINE: what``; the samples are decoded and compared."""
    paths = {path.stem: path for path in files}
    neighbours = {path for file in files for path in file.parent.glob("*.toml")} - set(files)
    texts = {**_texts(neighbours), **_texts(files)}
    own, wrong = own_families(texts)
    hand_over(own)
    problems = [one for one in wrong if one.name in paths]
    for name in paths:
        family = named(name)
        if family is not None and family in own:
            problems += _sample_problems(family.name, texts[name])
    _complain(problems, paths)
    bad = {one.name for one in problems}
    for name, path in paths.items():
        if name not in bad:
            models = ", ".join(
                dict.fromkeys(who.model for family in own if family.name == name for who in family.meters)
            )
            print(f"{path}: " + text("right", "rätt") + (f" ({models})" if models else ""))
    return 1 if problems else 0


def _sample_problems(name: str, content: str) -> Iterator[FileProblem]:
    family = named(name)
    if family is None:
        return
    if not family.samples:
        yield FileProblem(name, 1, "sample is missing: a telegram with what must come out of it")
    for index, sample in enumerate(family.samples, 1):
        for difference in differences(family, sample):
            message = f"sample {index}: {difference}"
            yield FileProblem(name, line_of(message, content), message)


def _complain(problems: list[FileProblem] | tuple[FileProblem, ...], paths: dict[str, Path]) -> None:
    for one in sorted(problems, key=lambda each: (each.name, each.line)):
        print(f"{paths[one.name]}:{one.line}: {problem_text(one.message, language())}", file=sys.stderr)


def _texts(paths: set[Path] | list[Path] | Iterator[Path]) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8", errors="replace") for path in paths}


def _own_folder() -> Path:
    """``families`` in the data folder, without starting Django."""
    return Path(os.environ.get("AVLAS_DATA") or "data").resolve() / "families"
