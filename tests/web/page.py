"""A page as a tree that tests can ask: elements, the text people read, rows, forms."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "use", "path", "circle", "rect", "source", "wbr"})
BLOCKS = frozenset({"p", "div", "dd", "dt", "li", "td", "th", "tr", "h1", "h2", "strong", "label", "button"})


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def get(self, name: str) -> str | None:
        return self.attributes.get(name)

    def walk(self) -> Iterator["Element"]:
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str | None = None, **attributes: str | bool) -> list["Element"]:
        """Elements in here of this tag with these attributes (`True`: any value; `data_refund` is `data-refund`)."""
        return [one for one in self.walk() if tag in (None, one.tag) and one.has(attributes)]

    def one(self, tag: str | None = None, **attributes: str | bool) -> "Element":
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} elements {tag} {attributes}"
        return found[0]

    def has(self, attributes: dict[str, str | bool]) -> bool:
        for name, value in attributes.items():
            there = self.get(name.strip("_").replace("_", "-"))
            if there is None or (value is not True and there != value):
                return False
        return True

    @property
    def text(self) -> str:
        """What is read here, with single spaces."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._texts()
        if self.tag in BLOCKS:
            yield " "

    # What every page has

    @property
    def rows(self) -> list["Element"]:
        """Rows of refunds."""
        return self.all("tr", data_refund=True)

    @property
    def references(self) -> list[str]:
        return [row["data-refund"] for row in self.rows]

    @property
    def notices(self) -> list[str]:
        return [one.text for one in self.all() if "notice" in (one.get("class") or "").split()]

    @property
    def field_errors(self) -> list[str]:
        return [one.text for one in self.all() if "field-error" in (one.get("class") or "").split()]

    @property
    def timeline(self) -> list[str]:
        """The sentences of the timeline, newest first, without their times and what is folded away."""
        return [entry.all("p")[0].text for entry in self.one(id="timeline").one("ol").all("li")]

    def form(self, action: str) -> "Element":
        """The one form that goes to this address by POST."""
        return self.one("form", action=action, method="post")

    @property
    def fields(self) -> dict[str, str]:
        """What a browser would send of this form without a press on a named button."""
        sent: dict[str, str] = {}
        for one in self.walk():
            name = one.get("name")
            if name and one.get("disabled") is None and (value := _value(one)) is not None:
                sent[name] = value
        return sent


def _value(control: Element) -> str | None:
    if control.tag == "textarea":
        text = "".join(child for child in control.children if isinstance(child, str))
        return text.replace("\r\n", "\n").removeprefix("\n")
    if control.tag == "select":
        options = control.all("option")
        chosen = next((option for option in options if option.get("selected") is not None), options[0])
        return chosen.get("value")
    if control.tag != "input" or (control.get("type") in {"radio", "checkbox"} and control.get("checked") is None):
        return None
    return control.get("value") or ""


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_page(html: str) -> Element:
    """The tree of a page. Raises AssertionError where its tags do not match or an id stands twice."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    (root,) = builder.open
    ids = [one["id"] for one in root.walk() if "id" in one.attributes]
    assert len(set(ids)) == len(ids), "an id stands twice"
    return root
