"""A house on the network: everyone signs in, guests come by an invitation, and nobody sees another's chats."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from backends.scripted import Script
from tests.e2e.site import Chat, Site
from webui.accounts import OWNER

Open = Callable[..., Site]
Visit = Callable[..., Chat]
PASSWORD = "a samovar on the table"


@pytest.fixture
def house(site: Open) -> Site:
    return site(Script(delay=0.005), listen=True, password=PASSWORD)


@pytest.fixture
def stranger(browser: Browser) -> Callable[[], Page]:
    return lambda: browser.new_context(locale="en-US").new_page()


def sign_in(page: Page, url: str, name: str = "Anna", password: str = PASSWORD) -> None:
    page.goto(url)
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", password)
    page.click("main button.main")


def invited(owner: Page, url: str) -> str:
    owner.goto(url + "/people")
    owner.locator("#invite form button").click()
    link = owner.locator("#link").input_value()
    assert owner.locator("#invite svg").count() >= 1, "no QR code"
    return url + "/join/" + link.rsplit("/", 1)[1]


def join(page: Page, link: str, name: str) -> None:
    page.goto(link)
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", "tea with jam and lemon")
    page.click("main button.main")
    page.wait_for_selector("#transcript[data-ready]")


def test_nobody_gets_in_without_a_password(house: Site, stranger: Callable[[], Page]) -> None:
    page = stranger()
    page.goto(house.url)
    assert "/sign-in" in page.url
    sign_in(page, house.url, password="wrong wrong wrong")
    expect(page.locator("[role=alert]")).to_be_visible()
    sign_in(page, house.url)
    page.wait_for_selector("#transcript[data-ready]")
    page.locator(".house form button").click()
    page.wait_for_url("**/sign-in")


def test_a_guest_comes_by_invitation_and_has_chats_of_their_own(
    house: Site, stranger: Callable[[], Page], visit: Visit
) -> None:
    owner, guest = stranger(), stranger()
    sign_in(owner, house.url)
    link = invited(owner, house.url)
    mine = Chat(owner, house.url)
    mine.say("my secret")
    secret = mine.page.url
    join(guest, link, "Борис")
    theirs = Chat(guest, house.url)
    expect(theirs.page.locator("#chat-list [data-chat]")).to_have_count(0)
    theirs.say("hello from a guest")
    assert theirs.texts() == ["hello from a guest", "You said: hello from a guest"]
    expect(mine.page.locator("#chat-list [data-chat]")).to_have_count(1)
    theirs.page.goto("about:blank")
    theirs.page.goto(secret)
    expect(theirs.page.locator(".notice.error")).to_be_visible()
    theirs.until(lambda: theirs.texts() == [])
    theirs.page.fill("#chat-search input", "secret")
    expect(theirs.page.locator("#chat-list")).to_contain_text("Nothing")
    stranger_again = stranger()
    stranger_again.goto(link)
    assert stranger_again.locator("input[name=name]").count() == 0, "an invitation is good for one account"


def test_two_people_talk_at_once(house: Site, stranger: Callable[[], Page]) -> None:
    owner, guest = stranger(), stranger()
    sign_in(owner, house.url)
    join(guest, invited(owner, house.url), "Boris")
    mine, theirs = Chat(owner, house.url), Chat(guest, house.url)
    long = "word " * 400
    for chat, name in ((mine, "owner"), (theirs, "guest")):
        chat.type(f"{name} {long}")
        chat.page.click("#send")
    mine.busy()
    theirs.busy()
    mine.idle()
    theirs.idle()
    assert mine.texts()[-1].startswith("You said: owner") and theirs.texts()[-1].startswith("You said: guest")


def test_only_the_owner_switches_the_model(house: Site, stranger: Callable[[], Page]) -> None:
    owner, guest = stranger(), stranger()
    sign_in(owner, house.url)
    join(guest, invited(owner, house.url), "Boris")
    guest.click("#model")
    expect(guest.locator(".popover")).to_be_visible()
    assert guest.locator("#model-reference").count() == 0
    chat = Chat(owner, house.url)
    chat.page.click("#model")
    expect(chat.page.locator("#model-reference")).to_be_visible()


def test_signing_out_empties_every_page_of_the_session(house: Site, stranger: Callable[[], Page]) -> None:
    first = stranger()
    sign_in(first, house.url)
    first.wait_for_selector("#transcript[data-ready]")
    second = first.context.new_page()
    Chat(second, house.url).say("a secret")
    first.locator(".house form button").click()
    second.wait_for_url("**/sign-in")
    assert "a secret" not in second.content()


def test_a_new_password_closes_the_pages_of_the_old_one(house: Site, stranger: Callable[[], Page]) -> None:
    page = stranger()
    sign_in(page, house.url)
    page.wait_for_selector("#transcript[data-ready]")
    house.services.accounts.set_password(OWNER, PASSWORD, "another samovar", "127.0.0.1")
    page.wait_for_url("**/sign-in")


def test_a_name_that_means_something_to_machines_is_only_a_name(house: Site, stranger: Callable[[], Page]) -> None:
    owner, guest = stranger(), stranger()
    name = "${1+1}<b onclick='x'>{{7}}"
    sign_in(owner, house.url)
    join(guest, invited(owner, house.url), name)
    expect(guest.locator(".house")).to_contain_text(name)
    owner.goto(house.url + "/people")
    expect(owner.locator("ul.people").first).to_contain_text(name)
