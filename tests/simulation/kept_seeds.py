"""Seeds that are worth keeping, with what they show. They stay in the suite for good.

Such as once found something, and such as notice at once when a guard is taken out.
"""

KEPT_SEEDS: dict[int, str] = {
    28: "a refund whose answer never came, and a stranger beside it",
    105: "a request that comes at the last moment of the quiet period",
    147: "an absence that a shorter quiet period would wrongly prove",
    693: "a second person who could not confirm at first",
    2035: "a second send that waits for another refund's review",
    2755: "a proposal that one of several reviewers finds open",
}
