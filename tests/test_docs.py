"""The manual: the same in both languages, its links lead somewhere, its commands can be typed, its tables are true."""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from avlas import cli
from avlas.decode.families import MEDIA, TECHEM_TYPES
from avlas.decode.family_files import shipped

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("en", "sv")
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*/*.md"))
OF_THE_SCRIPT = {"test", "lint"}  # commands of ./run itself; what follows "test" is pytest's


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def headings(text: str) -> list[str]:
    """Headings with their level, code blocks left out."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#{1,6} .+$", text, re.MULTILINE)


def anchor(heading: str) -> str:
    """The fragment by which GitHub and GitLab reach a heading."""
    title = re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower())
    return title.replace(" ", "-")


def code_lines(text: str) -> list[str]:
    """Lines of code, indented or fenced, joined where a backslash ends them."""
    fenced = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(
        r"^ {4,}(\S.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return [*itertools.chain.from_iterable(block.splitlines() for block in fenced), *indented]


def program_calls(text: str) -> list[list[str]]:
    """The arguments of every ./run and avlas call in the code of a page, without pipes, redirections and remarks."""
    found = []
    for line in code_lines(text):
        for part in re.split(r"\s\|\s|\s{3,}", line):
            bare = re.sub(r"\s[<>]\s*\S+", "", part)
            words = shlex.split(bare, comments=True) if re.search(r"(^|\s)(\./run|avlas)(\s|$)", bare) else []
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words.pop(0)
            if words and words[0] in ("./run", "avlas"):
                found.append(words[1:])
    return found


def parse(arguments: list[str]) -> None:
    """Have the program's own parser read the arguments; SystemExit when it can't."""
    if arguments and arguments[0] in OF_THE_SCRIPT:
        return
    name, rest = (
        ("serve", arguments)
        if not arguments or arguments[0].startswith("-")
        else (arguments[0], arguments[1:])
    )
    command = next((known for known in cli.COMMANDS if known.name == name), None)
    assert command, f"there is no command {name!r}"
    parser = argparse.ArgumentParser(prog=name)
    getattr(importlib.import_module(command.module), command.add_arguments)(parser)
    parser.parse_args(rest)


def meters_table(language: str) -> str:
    """The table of known meter types, from the family files."""
    swedish = language == "sv"
    yes, no = ("ja", "nej") if swedish else ("yes", "no")
    rows: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for family in shipped():
        for who in family.meters:
            media = dict.fromkeys(
                MEDIA[TECHEM_TYPES.get(kind, kind)][int(swedish)] for kind in who.device_types
            )
            words = yes if family.info else no
            rows[who.model, who.manufacturer, ", ".join(media), words].append(f"{who.version:02X}")
    head = (
        "| Mätare | Tillverkare | Version (hex) | Medium | Infokoder i ord |"
        if swedish
        else "| Meter | Maker | Version (hex) | Medium | Info codes in words |"
    )
    lines = [
        f"| {model} | {maker} | {', '.join(versions)} | {media} | {words} |"
        for (model, maker, media, words), versions in sorted(rows.items())
    ]
    return "\n".join([head, "|---|---|---|---|---|", *lines])


def test_both_languages_have_the_same_pages_and_as_many_headings():
    names = [{Path(page).name for page in PAGES if f"/{language}/" in page} for language in LANGUAGES]
    assert names[0] == names[1]
    for name in names[0]:
        levels = [
            [h.split(" ")[0] for h in headings(read(f"docs/{language}/{name}"))] for language in LANGUAGES
        ]
        assert levels[0] == levels[1], name


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_index_leads_to_every_page(language):
    pages = {Path(page).name for page in PAGES if f"/{language}/" in page} - {"index.md"}
    assert pages == set(re.findall(r"\]\(([\w-]+\.md)\)", read(f"docs/{language}/index.md")))


@pytest.mark.parametrize("page", [*PAGES, "README.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if fragment:
            assert fragment in map(anchor, headings(file.read_text(encoding="utf-8"))), target


@pytest.mark.parametrize("page", [*PAGES, "README.md"])
def test_commands_can_be_typed(page):
    for arguments in program_calls(read(page)):
        try:
            parse(arguments)
        except SystemExit as end:
            pytest.fail(f"{page}: ./run {' '.join(arguments)} (status {end.code})")


def test_the_commands_are_found_at_all():
    calls = program_calls(read("docs/en/decode.md"))
    assert ["decode", "--json"] in calls
    assert ["simulate", "telegrams", "--type", "omnipower", "--count", "1"] in calls
    with pytest.raises(SystemExit):
        parse(["decode", "--jsonn"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_meters_table_is_the_families(language):
    assert meters_table(language) in read(f"docs/{language}/decode.md")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_json_example_is_what_comes_out(language):
    text = read(f"docs/{language}/decode.md")
    example = re.search(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert example
    command = [sys.executable, "-m", "avlas"]
    made = subprocess.run(
        [*command, "simulate", "telegrams", "--type", "omnipower", "--count", "1"],
        capture_output=True,
        check=True,
    )
    answer = subprocess.run(
        [*command, "decode", "--json"], input=made.stdout, capture_output=True, check=True
    )
    assert json.loads(example[1]) == json.loads(answer.stdout)
    assert made.stdout.decode().split()[0] in read(f"docs/{language}/api.md")
