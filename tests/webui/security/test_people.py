"""Invitations, what only the owner may do, and names that mean something to a machine or deceive the eye."""

import html
import time
import unicodedata
from collections.abc import Iterator

import pytest

from backends.scripted import Script
from tests.webui.security.test_sign_in import Clock, clock
from tests.webui.security.town import NAVIGATION, PASSWORD, Answer, Town, Visitor, signed_in
from webui.accounts import INVITATION_SECONDS
from webui.chats import Actor
from webui.levers import Levers

__all__ = ["clock"]

TRICKY = [
    "../../etc/passwd", "..", "C:\\con", "a'b\"c`d", "${1+1}<b>", "{{ 7*7 }}", "<script>alert(1)</script>", "%s%n%00",
    "'; DROP TABLE account; --", "-rf *", "Ο Γιώργος", "Ёж 🦔", "x" * 40,
]  # fmt: skip
INVISIBLE = [
    "a\0b", "a\nb", "a\r\nset-cookie: x=y", "a\tb", "\x1b[31mred", "a\u202eb", "a\u200bb", "a\ufeffb", "a\u2028b",
    "a\x7fb", "a\x85b", "\u2066Anna", "Anna\u00ad", "a\ue000b", "a\u3164b", "a\u034fb", "a\u115fb", "a\u2800b",
    "\u3164", "\ufe0f",
]  # fmt: skip
LOOK_ALIKE = ["anna", "ANNA", "Ａｎｎａ", "𝐀𝐧𝐧𝐚", " Anna ", "Аnna", "Аnnа", "Ａnnа", "ANNА"]


def join(town: Town, name: str, password: str = PASSWORD) -> Answer:
    return town.post(town.invitation(), {"name": name, "password": password})


@pytest.fixture
def removed(town: Town) -> Iterator[None]:
    """Take away who came during the test."""
    before = {person.id for person in town.services.accounts.everyone()}
    yield
    owner = town.owner().account
    for person in town.services.accounts.everyone():
        if person.id not in before:
            town.services.accounts.remove(owner, person.id)


def test_an_invitation_is_good_once(town: Town, removed: None) -> None:
    link = town.invitation()
    assert town.ask(link, headers=NAVIGATION).status == 200 and town.ask(link).status == 200, "looking uses nothing up"
    assert town.post(link, {"name": "", "password": PASSWORD}).status == 400
    assert town.post(link, {"name": "Gleb", "password": "short"}).status == 400
    assert town.post(link, {"name": "Gleb", "password": PASSWORD}).status == 303
    again = town.post(link, {"name": "Dasha", "password": PASSWORD})
    assert again.status == 410 and "set-cookie" not in again.headers and town.ask(link).status == 410


def test_an_invitation_has_an_end(town: Town, clock: Clock, removed: None) -> None:
    first, second = town.invitation(), town.invitation()
    clock.now += INVITATION_SECONDS - 1
    assert town.post(first, {"name": "Gleb", "password": PASSWORD}).status == 303
    clock.now += 2
    assert town.ask(second).status == 410
    assert town.post(second, {"name": "Dasha", "password": PASSWORD}).status == 410


def test_invitations_cannot_be_made_up(town: Town, anna: Visitor) -> None:
    tokens = town.services.accounts._tokens
    good = town.invitation()
    for token in (
        "x",
        anna.token,
        tokens.make("session")[0],
        tokens.make("invitation")[0],
        good[6:-1],
        good[6:] + "0",
        "..",
    ):
        assert town.ask(f"/join/{token}").status == 410, token
        assert town.post(f"/join/{token}", {"name": "Gleb", "password": PASSWORD}).status == 410, token
    assert town.ask(good).status == 200


def test_a_link_that_is_used_by_two_at_once_lets_one_in(town: Town, removed: None) -> None:
    from concurrent.futures import ThreadPoolExecutor

    link = town.invitation()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda at: town.post(link, {"name": f"Gleb {at}", "password": PASSWORD}), range(4)))
    assert sorted(answer.status for answer in answers) == [303, 410, 410, 410]


def test_only_the_owner_invites_and_removes(town: Town, anna: Visitor, boris: Visitor, removed: None) -> None:
    guest = town.guest("Gleb")
    for path, form in (("/people/invite", {}), ("/people/remove", {"account": str(guest.account.id)}),
                       ("/people/remove", {"account": str(anna.account.id)}),
                       ("/people/remove", {"account": str(boris.account.id)})):  # fmt: skip
        refused = boris.post(path, form)
        assert refused.status == 404 and "/join/" not in refused.text, (path, form)
    assert guest.ask("/people").status == anna.ask("/people").status == 200
    page = boris.ask("/people").text
    assert "Борис" in page and "Anna" not in page and "Gleb" not in page and 'id="invite"' not in page
    assert "Gleb" in anna.ask("/people").text


def test_a_removed_guest_is_out_at_once(town: Town, anna: Visitor) -> None:
    guest = town.guest("Gleb")
    chat, key = guest.say("kept to myself"), town.services.keys.make(guest.account.id)
    bearer = {"authorization": f"Bearer {key}"}
    assert town.ask("/v1/models", headers=bearer).status == 200
    with guest.live() as live:
        live.send(watch=chat)
        live.until("hello")
        assert anna.post("/people/remove", {"account": str(guest.account.id)}).status == 303
        assert live.end() == 4401
    assert guest.ask("/people").status == 401 and town.ask("/v1/models", headers=bearer).status == 401
    assert town.post("/sign-in", {"name": "Gleb", "password": PASSWORD}).status == 400
    second = town.guest("Gleb")
    with second.live() as live:
        live.send(watch=chat)
        assert live.until("chats")["list"] == []


def test_what_is_written_for_a_guest_ends_with_them(town: Town, anna: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(town.site.backend, "script", Script(replies=["word " * 2000], delay=0.005))
    guest = town.guest("Fedya")
    actor, levers = Actor(guest.account.id, "page"), Levers()
    town.services.replies.send(actor, None, "hello", levers)
    hers = town.services.replies.send(Actor(anna.account.id, "page"), None, "hello", levers)
    assert anna.post("/people/remove", {"account": str(guest.account.id)}).status == 303
    deadline = time.monotonic() + 5
    while town.services.jobs.busy_chats() != {hers}:
        assert time.monotonic() < deadline, "it is still written"
        time.sleep(0.002)
    town.services.replies.stop(Actor(anna.account.id, "page"), hers)
    town.quiet()


@pytest.mark.parametrize("number", ["0", "-1", "1", "999", "99999999999999999999", "1e3", "x", ""])
def test_nobody_is_removed_by_a_wrong_number(town: Town, anna: Visitor, number: str) -> None:
    before = town.services.accounts.everyone()
    assert anna.post("/people/remove", {"account": number}).status in (404, 422)
    assert anna.post("/people/keys/revoke", {"key": number}).status in (404, 422)
    assert town.services.accounts.everyone() == before


def test_the_keys_of_others_cannot_be_revoked(town: Town, anna: Visitor, boris: Visitor) -> None:
    key = town.services.keys.make(anna.account.id, "mine")
    number = town.services.keys.of(anna.account.id)[-1].id
    assert boris.post("/people/keys/revoke", {"key": str(number)}).status == 404
    assert "mine" not in boris.ask("/people").text
    assert town.services.keys.account_of(key) is not None


@pytest.mark.parametrize("name", TRICKY, ids=ascii)
def test_a_name_is_only_a_text(town: Town, anna: Visitor, removed: None, name: str) -> None:
    guest = Visitor(town, signed_in(join(town, name)))
    assert guest.account.name == name
    for page in (anna.ask("/people").text, guest.ask("/people").text):
        shown = html.escape(name).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
        assert f"<bdi>{shown}</bdi>" in page
    with guest.live() as live:
        live.send(watch=None)
        assert live.until("hello")["account"]["name"] == name
    refused = town.post("/sign-in", {"name": name, "password": "wrong"})
    assert refused.status == 400 and "<script>alert" not in refused.text and "<b>" not in refused.text
    assert town.post("/sign-in", {"name": name, "password": PASSWORD}).status == 303


@pytest.mark.parametrize(
    "name", [*INVISIBLE, "", "   ", "x" * 41, "ﷺ" * 41, "x" * 1_000_000], ids=lambda at: ascii(at)[:20]
)
def test_names_that_cannot_be_seen_or_never_end_are_refused(town: Town, name: str) -> None:
    link = town.invitation()
    refused = town.post(link, {"name": name, "password": PASSWORD})
    assert refused.status == 400 and 'role="alert"' in refused.text and len(refused.body) < 20_000
    assert town.ask(link).status == 200, "the invitation is still good"


@pytest.mark.parametrize("name", LOOK_ALIKE, ids=ascii)
def test_nobody_may_look_like_the_owner(town: Town, name: str) -> None:
    refused = join(town, name)
    assert refused.status == 400 and "taken" in refused.text, unicodedata.name(name.strip()[0])


def test_a_cyrillic_name_may_not_look_like_a_latin_one(town: Town, removed: None) -> None:
    assert join(town, "Сосо").status == 303
    for name in ("Coco", "сосо", "COCO", "Cосо"):
        assert join(town, name).status == 400, ascii(name)
    assert join(town, "Кока").status == 303
    assert town.post("/sign-in", {"name": "сосо", "password": PASSWORD}).status == 303
