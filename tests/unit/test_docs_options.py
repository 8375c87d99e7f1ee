"""``docs/options.md`` and ``docs/reconstruct_options.md`` follow from the declarations."""

from pathlib import Path

from halfmap.config.document import document
from halfmap.config.options import declarations
from halfmap.config.reconstruction.document import document as reconstruct_document

PAGE = Path(__file__).parents[2] / "docs" / "options.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), (
        "make it again: python -m halfmap.config.document > docs/options.md"
    )


def test_the_page_of_reconstruct_is_up_to_date() -> None:
    page = PAGE.with_name("reconstruct_options.md")
    assert page.read_text(encoding="utf-8") == reconstruct_document(), (
        "make it again: python -m halfmap.config.reconstruction.document > "
        "docs/reconstruct_options.md"
    )


def test_every_option_has_an_entry_with_its_status() -> None:
    lines = document().splitlines()

    for declaration in declarations():
        entry = lines.index(f"### `--{declaration.spelling}`")
        assert lines[entry + 2].startswith(f"**{declaration.option.status.value}** · ")
        assert f"`{declaration.name}`" in lines[entry + 2]
