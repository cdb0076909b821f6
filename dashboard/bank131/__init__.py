"""A client for the Bank 131 API: signatures, typed objects, two calls.

- `signature`: sign requests, verify webhooks;
- `objects`: the bank's JSON as typed objects; what may be kept of it;
- `client`: `session/status` and `session/refund`, and one error tree that keeps apart "never reached the
  bank", "the bank said no" and "outcome unknown";
- `transport`: one HTTP exchange under one deadline;
- `json_body`, `allowlist`, `card_numbers`: strict JSON, and what may be kept and shown of it.

    client = BankClient(
        url="https://demo.bank131.ru",
        project="my_project",
        private_key=load_private_key(pem),
        transport=RequestsTransport(),
    )
    body = refund_body("ps_7001", Amount(1050, "rub"), reference)  # 10.50 RUB; keep these bytes
    reading = client.refund(body, idempotency_key=reference)

It needs `requests`, `cryptography` and the amounts of `dashboard.money`, nothing else of this product.
"""
