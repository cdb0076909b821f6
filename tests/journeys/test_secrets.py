"""What the demo says while it starts and works: no key, though it has made all of them itself."""

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation
from tests.journeys.windows import Windows


def test_the_demo_tells_no_key(demo: Installation, windows: Windows) -> None:
    page = windows.of(demo, OPERATOR)
    steps.refund(page, demo.bank.paid_session("secrets"), "1")
    page.goto("/nowhere")
    demo.run("check")
    data = demo.folder / "data"
    keys = [line for file in data.rglob("*private.pem") for line in file.read_text().splitlines() if len(line) > 40]
    secrets = [(data / "secret.key").read_text(), *keys]
    assert len(secrets) > 20
    assert [secret for secret in secrets if secret in demo.log()] == []
    assert "Dashboard" in demo.log()
