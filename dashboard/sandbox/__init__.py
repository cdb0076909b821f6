"""A simulated Bank 131: the same URLs, headers, signatures, objects and webhooks, with a ledger of its own.

It knows nothing of the dashboard's tables and shares with the dashboard no code but the clock, the amounts
and the signature.
"""
