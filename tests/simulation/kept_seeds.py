"""Seeds that once found something, with what they found. They stay in the suite for good."""

KEPT_SEEDS: dict[int, str] = {}
