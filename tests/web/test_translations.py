"""Every text a person sees exists in Swedish, and the compiled file is the one of the text file."""

from __future__ import annotations

from avlas.web import translations


def test_every_text_has_a_swedish_one():
    assert translations.missing(translations.catalog()) == []


def test_no_translation_is_left_over():
    used = {message.id for message in translations.catalog()}
    assert [message.id for message in translations.stored() if message.id not in used] == []


def test_the_compiled_file_is_up_to_date():
    assert translations.MO.read_bytes() == translations.mo_bytes(translations.stored()), (
        "run: python -m avlas.web.translations"
    )


def test_messages_are_found_in_pages_and_in_the_program():
    found = {text for _place, _line, text, _context in translations.messages()}
    assert "Newest telegrams" in found  # a template's {% translate %}
    assert ("%(total)s meter", "%(total)s meters") in found  # its {% blocktranslate %} with a plural
    assert "The disk is full" in found  # gettext in Python
    assert "The file is empty." in found  # marked now, translated when shown


def test_a_blank_that_was_forgotten_is_found():
    catalog = translations.catalog()
    message = catalog.get("%(name)s is saved.")
    message.string = "sparad"
    assert translations.missing(catalog) == ["%(name)s is saved."]
