"""The manual inside the program: the same Markdown pages that lie in docs, as HTML, and which of them helps where.

They are read from the checkout's docs folder, or from where pip put them (pyproject.toml, data-files).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.urls import reverse
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

INDEX: Final = "index"
HELPS: Final[dict[str, tuple[str, ...]]] = {
    "billing": ("billing",),
    "access": (
        "users",
        "user",
        "roles",
        "api_token",
        "audit",
        "settings",
        "utility_settings",
        "account",
        "choose_password",
        "second_factor",
        "passkey",
        "own_sessions",
        "single_sign_on",
    ),
    "alarms": ("info_codes", "meter_case"),
    "decode": ("explain", "meter_telegram"),
    "exchange": ("exchange", "meter_exchange", "meter_reading_"),
    "exports": ("export", "receipt", "place"),
    "heard": ("heard",),
    "imports": ("imports", "import_", "key_passwords", "mapping_remove", "password_remove"),
    "jobs": ("job",),
    "keys": ("key",),
    "api": ("mqtt_out",),
    "messages": ("message", "mail_server", "webhook"),
    "map": ("map",),
    "meters": ("meters", "group", "priority_meters"),
    "notifications": ("notification", "sms_settings", "alert"),
    "operations": ("check_up",),
    "performance": ("performance",),
    "points": (
        "point",
        "customer",
        "meter_stock",
        "meter_revisions",
        "revision",
        "meter_install",
        "meter_take_down",
        "meter_add",
        "meter_edit",
        "meter_delete",
        "meter_inputs",
        "meter_photos",
        "meter_report",
        "photo",
    ),
    "privacy": ("privacy", "my_choices"),
    "readings": ("meter", "meter_let_in"),
    "retention": ("old_readings",),
    "receivers": ("receiver", "import_file"),
    "valves": ("valve", "meter_valve"),
    "reports": ("heat", "consumption_report", "compare", "water_loss", "saved_reports", "report"),
}
"""Pages of the manual, and beginnings of the names of the pages they help with; the longest that fits counts."""
_FILE: Final = re.compile(r"([\w-]+)\.md(#.*)?")


@dataclass(frozen=True, slots=True)
class ManualPage:
    """A page of the manual as HTML. ``parts``: the anchors and titles of its second-level headings."""

    name: str
    title: str
    html: str
    parts: tuple[tuple[str, str], ...]


def help_for(page: str) -> str:
    """Which page of the manual helps with the page of the program called ``page`` ("": one without a name)."""
    fitting = [
        (len(beginning), name)
        for name, beginnings in HELPS.items()
        for beginning in beginnings
        if page.startswith(beginning)
    ]
    return max(fitting, default=(0, INDEX))[1]


@lru_cache(1)
def folder() -> Path:
    """Where the manual lies: a folder with one folder for each language. Raises FileNotFoundError."""
    checkout = Path(__file__).resolve().parents[3] / "docs"
    if (checkout / "sv" / f"{INDEX}.md").exists():
        return checkout
    for file in metadata.files("avlas") or ():
        if file.match(f"avlas/docs/sv/{INDEX}.md"):
            return Path(str(file.locate())).resolve().parents[1]
    raise FileNotFoundError("the manual is not installed")


def read(language: str, name: str) -> ManualPage | None:
    """A page of the manual; None when there is no such page."""
    try:
        path = folder() / language / f"{name}.md"
        return _rendered(path, path.stat().st_mtime_ns) if re.fullmatch(r"[\w-]+", name) else None
    except FileNotFoundError:
        return None


def contents(language: str) -> list[tuple[str, str]]:
    """Names and titles of all pages, in the order in which the first page leads to them."""
    first = read(language, INDEX)
    if first is None:
        return []
    text = (folder() / language / f"{INDEX}.md").read_text("utf-8")
    names = dict.fromkeys(re.findall(r"\]\(([\w-]+)\.md\)", text))
    pages = [first, *(read(language, name) for name in names)]
    return [(page.name, page.title) for page in pages if page]


def anchor(title: str) -> str:
    """The fragment by which a heading is reached, as on GitHub and GitLab."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@lru_cache(200)
def _rendered(path: Path, _changed: int) -> ManualPage:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("table_open", _table_open)
    markdown.add_render_rule("table_close", _table_close)
    tokens = markdown.parse(path.read_text("utf-8"))
    title, parts = path.stem, []
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            words = "".join(one.content for one in inline.children or ())
            token.attrSet("id", anchor(words))
            if token.tag == "h1":
                title = words
            elif token.tag == "h2":
                parts.append((anchor(words), words))
        for one in token.children or ():
            _lead_to_pages(one)
    html = markdown.renderer.render(tokens, markdown.options, {})
    return ManualPage(path.stem, title, html, tuple(parts))


def _lead_to_pages(token: Token) -> None:
    """Links between the manual's files become links between the program's pages."""
    if token.type != "link_open":
        return
    found = _FILE.fullmatch(str(token.attrGet("href") or ""))
    if found:
        token.attrSet("href", reverse("help_page", args=[found[1]]) + (found[2] or ""))


def _table_open(
    _renderer: RendererHTML, _tokens: Sequence[Token], _index: int, _options: OptionsDict, _env: Any
) -> str:
    return '<div class="table-wrap"><table>\n'


def _table_close(
    _renderer: RendererHTML, _tokens: Sequence[Token], _index: int, _options: OptionsDict, _env: Any
) -> str:
    return "</table></div>\n"
