"""A client for the Bank 131 API: signatures, typed objects, two calls.

- `signature`: sign requests, verify webhooks;
- `objects`: the bank's JSON as typed objects; what may be kept of it;
- `client`: `session/status` and `session/refund`, and one error tree that keeps apart "never reached the
  bank", "the bank said no" and "outcome unknown";
- `transport`: one HTTP exchange under one deadline.

It needs `requests`, `cryptography` and the amounts of `dashboard.money`, nothing else of this product.
"""
