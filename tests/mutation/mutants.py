"""All mutants: the rules, then the order of a refund's life, then what it all stands on."""

from tests.mutation import (
    at_the_bank,
    in_approvals,
    in_asking,
    in_auditing,
    in_books,
    in_collecting,
    in_commands,
    in_factors,
    in_hardening,
    in_mailing,
    in_merging,
    in_replay,
    in_review,
    in_rules,
    in_sending,
    in_single_sign_on,
    in_webhooks,
)
from tests.mutation.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *in_rules.MUTANTS,
    *in_asking.MUTANTS,
    *in_approvals.MUTANTS,
    *in_sending.MUTANTS,
    *at_the_bank.MUTANTS,
    *in_merging.MUTANTS,
    *in_webhooks.MUTANTS,
    *in_review.MUTANTS,
    *in_books.MUTANTS,
    *in_replay.MUTANTS,
    *in_commands.MUTANTS,
    *in_auditing.MUTANTS,
    *in_hardening.MUTANTS,
    *in_factors.MUTANTS,
    *in_single_sign_on.MUTANTS,
    *in_mailing.MUTANTS,
    *in_collecting.MUTANTS,
)
