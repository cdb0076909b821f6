"""Write the catalogue of texts anew: `python -m tests.extract_texts`."""

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from tests.test_translations import TEMPLATE, texts_of_the_tree


def main() -> None:
    catalogue = Catalog(project="Refund desk", fuzzy=False)
    for file, message in texts_of_the_tree():
        catalogue.add(message, locations=[(file, 0)])
    TEMPLATE.parent.mkdir(exist_ok=True)
    with TEMPLATE.open("wb") as out:
        write_po(out, catalogue, sort_output=True, include_lineno=False, omit_header=True)


if __name__ == "__main__":
    main()
