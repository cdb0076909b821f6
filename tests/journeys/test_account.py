"""A lost password, and a browser that was left signed in somewhere."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.bench.mail_server import MailServer
from tests.journeys import steps
from tests.journeys.commands import ADMIN, Installation
from tests.journeys.waiting import eventually
from tests.journeys.windows import Windows

PASSWORD = "quite another one"


def here(link: str) -> str:
    """A link without its host. Where it leads is the demo's public address, which these windows do not use."""
    parts = urlsplit(link)
    return f"{parts.path}#{parts.fragment}"


def mailed_link(server: MailServer, email: str) -> str:
    """The link in the mail that this person has got, or gets from a worker in a moment."""
    eventually(lambda: [mail for mail in server.mails if mail["To"] == email], 15, f"a mail to {email}")
    [got] = [mail for mail in server.mails if mail["To"] == email]
    found = re.search(r"^http\S+/link#\S+", got.get_content(), re.MULTILINE)
    assert found
    return here(found[0])


def test_an_invitation_and_a_lost_password_from_the_admin_to_the_person(
    demo: Installation, windows: Windows, mail_server: MailServer
) -> None:
    admin, person = windows.just_signed_in(demo, ADMIN), windows.anonymous(demo)
    admin.goto("/people/")
    admin.get_by_role("link", name="Invite somebody").click()
    admin.get_by_label("E-mail").fill("vera@demo.test")
    admin.get_by_role("button", name="Make the account and mail its link").click()
    expect(admin.locator("main")).to_contain_text("A link is on its way to vera@demo.test by mail.")

    person.goto(mailed_link(mail_server, "vera@demo.test"))
    shown = person.get_by_label("New password")
    shown.fill(PASSWORD)
    person.get_by_role("button", name="Show").click()
    expect(shown).to_have_attribute("type", "text")
    person.get_by_role("button", name="Set the password").click()
    expect(person.locator("main")).to_contain_text("Your password is set.")
    steps.fill_sign_in(person, "vera@demo.test", PASSWORD)
    expect(person.locator("form[action$='/logout']")).to_be_visible()

    admin.reload()
    expect(admin.locator("main")).to_contain_text("The last mail with a link went out")
    admin.get_by_role("button", name="Show me a link to hand over").click()
    link = here(admin.get_by_label("The link").input_value())
    person.goto(link)
    person.get_by_label("New password").fill("12345678")
    person.get_by_role("button", name="Set the password").click()
    expect(person.locator(".field-error")).to_contain_text("tried first everywhere")
    person.get_by_label("New password").fill(f"{PASSWORD} again")
    person.get_by_role("button", name="Set the password").click()
    steps.fill_sign_in(person, "vera@demo.test", f"{PASSWORD} again")
    expect(person.locator("main")).to_contain_text(f"Password set with a link that {ADMIN} gave out")

    person.goto(link)
    expect(person.get_by_role("heading", name="This link does not work any more")).to_be_visible()


def reset_link(demo: Installation, windows: Windows, email: str) -> str:
    """A link that an admin has made for somebody new, to be handed over."""
    demo.run("user", "add", email, "--role", "viewer", "--password-stdin", stdin=f"{PASSWORD}\n")
    admin = windows.just_signed_in(demo, ADMIN)
    admin.goto("/people/")
    admin.get_by_role("link", name=email).click()
    admin.get_by_role("button", name="Show me a link to hand over").click()
    return here(admin.get_by_label("The link").input_value())


def test_the_code_of_a_link_is_sent_in_no_address(demo: Installation, windows: Windows) -> None:
    link = reset_link(demo, windows, "kira@demo.test")
    code = link.partition("#")[2]
    page = windows.anonymous(demo)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.url.partition('#')[0]} {request.all_headers()}"))
    page.goto("/link")
    expect(page.get_by_label("The code of your link")).to_be_visible()
    page.goto(link)
    expect(page.locator("main")).to_contain_text("For kira@demo.test.")
    expect(page).to_have_url(re.compile("/link/open$"))
    page.go_back()
    expect(page.get_by_label("The code of your link")).to_have_value("")
    expect(page).to_have_url(re.compile("/link$"))
    page.goto("/link#of-nobody")
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    page.goto(link)
    expect(page.locator("main")).to_contain_text("For kira@demo.test.")
    assert [one for one in asked if code in one] == []
    assert any("/link/open" in one for one in asked)


def test_without_a_script_the_link_is_pasted(demo: Installation, windows: Windows) -> None:
    link = reset_link(demo, windows, "lena@demo.test")
    page = windows.anonymous(demo, java_script_enabled=False)
    page.goto(link)
    page.get_by_label("The code of your link").fill(f"{demo.url}{link}")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("main")).to_contain_text("For lena@demo.test.")
    page.get_by_label("New password").fill("a third one of words")
    page.get_by_role("button", name="Set the password").click()
    steps.fill_sign_in(page, "lena@demo.test", "a third one of words")
    expect(page.locator("form[action$='/logout']")).to_be_visible()


def test_a_browser_elsewhere_is_signed_out(demo: Installation, windows: Windows) -> None:
    demo.run("user", "add", "boris@demo.test", "--role", "viewer", "--password-stdin", stdin=f"{PASSWORD}\n")
    here, there = windows.anonymous(demo), windows.anonymous(demo)
    for page in (there, here):
        page.goto("/login?next=/refunds/")
        steps.fill_sign_in(page, "boris@demo.test", PASSWORD)
        steps.expect_live(page)
    here.get_by_role("link", name="boris@demo.test").click()
    other = here.locator("[data-sign-in-name]").filter(has_not_text="This one")
    expect(other).to_contain_text("Chrome on Linux")

    other.get_by_role("button", name="Sign it out").click()

    expect(here.locator("[data-sign-in-name]")).to_have_count(1)
    expect(there).to_have_title("Sign in · Refund desk")
    expect(there).to_have_url(re.compile(r"/login\?next=/refunds/$"))


def test_ones_own_password_is_changed(demo: Installation, windows: Windows) -> None:
    demo.run("user", "add", "dora@demo.test", "--role", "viewer", "--password-stdin", stdin=f"{PASSWORD}\n")
    page = windows.anonymous(demo)
    steps.sign_in(page, "dora@demo.test", PASSWORD)
    page.goto("/account/")
    page.get_by_label("Your password now").fill(PASSWORD)
    page.get_by_label("New password").fill("a third one of words")

    page.get_by_role("button", name="Change the password").click()

    expect(page.locator(".notice")).to_have_text("Your password is changed. You are signed out everywhere else.")
    page.get_by_role("button", name="Sign out").click()
    steps.fill_sign_in(page, "dora@demo.test", "a third one of words")
    expect(page.locator("form[action$='/logout']")).to_be_visible()
