"""Seeds that are worth keeping, with what they show. They stay in the suite for good.

Such as once found something, and such as notice at once when a guard is taken out.
"""

KEPT_SEEDS: dict[int, str] = {
    14: "a refund that must not go out a third time",
    28: "a refund whose answer never came, and a stranger beside it",
    119: "a request that comes at the last moment of the quiet period",
    273: "an absence that a shorter quiet period would wrongly prove",
    420: "a refund that may have been sent before a restore, and must not be sent after it",
    1192: "two reads in a row that show a session without its payments",
    2277: "the same, with what the bank made in between",
    3073: "a proposal that a restored database has forgotten",
    5422: "a refund that was approved and sent after the backup was made, and rejected after it was put back",
    9180: "a refund that the bank hides and a restored database has forgotten",
    27081: "a process set to another bank that reads what has ended, just before the bank takes it back",
    27106: "a refund that people took for another one, of another amount",
}
