"""Write the catalogue of texts anew, and bring every translation up to it: `python -m tests.extract_texts`."""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tests.test_translations import TEMPLATE, TRANSLATIONS, texts_of_the_tree


def main() -> None:
    template = Catalog(project="Refund desk", fuzzy=False)
    for file, message in texts_of_the_tree():
        template.add(message, locations=[(file, 0)])
    _write(TEMPLATE, template, omit_header=True)
    for file in TRANSLATIONS:
        _bring_up_to(template, file)


def _bring_up_to(template: Catalog, file: Path) -> None:
    """What is new stands there without a translation, what is no longer needed goes."""
    with file.open("rb") as known:
        catalogue = read_po(known, locale=file.parent.parent.name)
    catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    _write(file, catalogue, omit_header=False)
    with file.with_suffix(".mo").open("wb") as compiled:
        write_mo(compiled, catalogue)
    missing = [one.id for one in catalogue if one.id and not all(one.string or [""])]
    print(f"{file.parent.parent.name}: {len(missing)} texts without a translation", *missing, sep="\n  ")


def _write(file: Path, catalogue: Catalog, *, omit_header: bool) -> None:
    with file.open("wb") as out:
        write_po(out, catalogue, sort_output=True, include_lineno=False, omit_header=omit_header, width=120)


if __name__ == "__main__":
    main()
