"""What the screens call the values of a search box's terms, in both languages, and which value a word of theirs means.

Pure. `tests/web/test_search_values.py` holds these names to what the screens say.
"""

import re
from collections.abc import Mapping

Names = Mapping[str, tuple[str, ...]]

STATUSES: Names = {
    "awaiting_approval": ("Awaiting approval", "Ждёт одобрения"),
    "queued": ("Queued", "Queued, waiting", "В очереди", "В очереди, ждёт"),
    "sending": ("Sending", "Отправляется"),
    "unknown": ("Unknown", "Outcome unknown", "Исход неизвестен"),
    "in_progress": ("In progress", "В обработке"),
    "error": ("Bank error", "Ошибка банка"),
    "accepted": ("Accepted", "Выполнен"),
    "declined": ("Declined", "Отклонён"),
    "refused": ("Refused", "Не принят"),
    "cancelled": ("Cancelled", "Отменён"),
    "rejected": ("Rejected", "Не одобрен"),
    "abandoned": ("Never made", "Не был сделан"),
    "open": ("Open", "Открытые"),
    "needs_you": ("Needs you", "Ждёт вас"),
}
REASONS: Names = {
    "goods_returned": ("Goods returned", "Товар возвращён"),
    "order_cancelled": ("Order cancelled", "Заказ отменён"),
    "service_not_given": ("Service not given", "Услуга не оказана"),
    "duplicate_payment": ("Duplicate payment", "Повторный платёж"),
    "wrong_amount": ("Wrong amount", "Неверная сумма"),
    "fraud_suspected": ("Fraud suspected", "Подозрение на мошенничество"),
    "other": ("Other", "Другое"),
}
ORIGINS: Names = {
    "here": ("Here", "Здесь"),
    "bank": ("At the bank", "В банке"),
    "chargeback": ("Chargeback", "Чарджбэк"),
}
# As the bank has a card's brand -> what screens call it, and how else people and banks write it.
BRANDS: Names = {
    "visa": ("Visa", "Виза"),
    "mastercard": ("Mastercard", "Master Card", "MC", "Мастеркард"),
    "mir": ("Mir", "Мир"),
    "maestro": ("Maestro", "Маэстро"),
    "amex": ("American Express", "American_Express", "Амекс"),
    "unionpay": ("UnionPay", "Union Pay", "Union_Pay", "China UnionPay", "CUP", "Юнионпэй"),
    "jcb": ("JCB",),
}
# What stands before the last four digits of a card.
CARDS = (*BRANDS, *(name for names in BRANDS.values() for name in names), "Card", "Карта")

_WORD = re.compile(r"[^\W_]+")
# A word after one of these says the opposite when it stands alone.
_NOT = frozenset({"not", "never", "не"})


class NoneMeant(ValueError):
    """A word that means none of the values, or several of them."""

    def __init__(self, *, is_several: bool) -> None:
        super().__init__("several" if is_several else "none")
        self.is_several = is_several


def meant(typed: str, names: Names) -> str:
    """The value whose code or name this is, or the only one of which it begins a word. Raises NoneMeant."""
    wanted = _plain(typed)
    plain = {value: [_plain(name) for name in (value, *its)] for value, its in names.items()}
    found = [value for value, its in plain.items() if wanted in its]
    found = found or [value for value, its in plain.items() if wanted and any(_begins(wanted, name) for name in its)]
    if len(found) != 1:
        raise NoneMeant(is_several=len(found) > 1)
    return found[0]


def spellings(brand: str) -> set[str]:
    """How a bank may have written the brand, in small letters; one that is not listed as it is."""
    return {brand, *(name.lower() for name in BRANDS.get(brand, ()))}


def _plain(text: str) -> str:
    """Its words in small letters, with е for ё."""
    return " ".join(_WORD.findall(text.lower().replace("ё", "е")))


def _begins(wanted: str, name: str) -> bool:
    """Whether it begins the name, or a later word of it that does not stand behind a negation."""
    words = name.split()
    ends = next((place for place, word in enumerate(words) if word in _NOT), len(words))
    return any(" ".join(words[place:]).startswith(wanted) for place in range(max(ends, 1)))
