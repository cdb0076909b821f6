"""The languages that the desk speaks."""

# Every name in its own language: whoever looks for theirs may read no other.
LANGUAGES = {"en": "English", "ru": "Русский"}
