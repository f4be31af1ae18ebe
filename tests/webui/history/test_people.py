"""The history's people and the fake that other tests use keep the same promises."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.webui.fake_people import FakePeople
from webui.accounts import Accounts, PeopleStore
from webui.credentials import Passwords
from webui.errors import BadName, InvitationInvalid, NotFound, SignInFailed
from webui.history.people import People
from webui.history.store import History

NOW = 1_000.0
LATER = 2_000.0


def fake(tmp_path: Path) -> Iterator[PeopleStore]:
    yield FakePeople()


def real(tmp_path: Path) -> Iterator[PeopleStore]:
    history = History(f"sqlite:///{tmp_path / 'samovar.db'}", clock=lambda: NOW)
    yield history.people
    history.close()


@pytest.fixture(params=[fake, real], ids=["fake", "history"])
def people(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PeopleStore]:
    yield from request.param(tmp_path)


def invite(people: PeopleStore, name: str = "Anna", key: str | None = None) -> int:
    people.add_invitation(f"invitation {name}", LATER)
    return people.accept_invitation(f"invitation {name}", NOW, name, key or name.lower(), f"hash of {name}").id


def test_there_is_an_owner(people: PeopleStore) -> None:
    (owner,) = people.people()
    assert (owner.id, owner.name, owner.owner, owner.password_hash) == (1, "", True, "")
    assert people.person(1) == owner
    assert people.person(2) is None


def test_an_invitation_makes_one_account(people: PeopleStore) -> None:
    people.add_invitation("digest", LATER)
    assert people.invitation_is_open("digest", NOW)
    anna = people.accept_invitation("digest", NOW, "Anna", "anna", "hash")
    assert (anna.id, anna.name, anna.owner, anna.password_hash) == (2, "Anna", False, "hash")
    assert people.person(2) == people.person_by_key("anna") == anna
    assert list(people.people())[1:] == [anna]
    assert not people.invitation_is_open("digest", NOW)
    with pytest.raises(InvitationInvalid):
        people.accept_invitation("digest", NOW, "Boris", "boris", "hash")
    assert people.person_by_key("boris") is None


@pytest.mark.parametrize(("digest", "now"), [("other", NOW), ("digest", LATER), ("digest", LATER + 1), ("", NOW)])
def test_an_invitation_that_is_not_open(people: PeopleStore, digest: str, now: float) -> None:
    people.add_invitation("digest", LATER)
    assert not people.invitation_is_open(digest, now)
    with pytest.raises(InvitationInvalid):
        people.accept_invitation(digest, now, "Anna", "anna", "hash")
    assert len(people.people()) == 1


def test_a_name_that_is_taken_leaves_the_invitation_open(people: PeopleStore) -> None:
    invite(people)
    people.add_invitation("second", LATER)
    with pytest.raises(BadName) as refused:
        people.accept_invitation("second", NOW, "ANNA", "anna", "hash")
    assert refused.value.details == {"name": "ANNA", "reason": "taken"}
    assert people.invitation_is_open("second", NOW)
    assert people.accept_invitation("second", NOW, "Boris", "boris", "hash").name == "Boris"


def test_the_owner_comes_first_then_the_oldest(people: PeopleStore) -> None:
    invite(people, "Zoe")
    invite(people, "Anna")
    assert [person.name for person in people.people()] == ["", "Zoe", "Anna"]


def test_names_change_and_stay_different(people: PeopleStore) -> None:
    anna = invite(people)
    people.rename_person(1, "Owner", "owner")
    people.rename_person(anna, "Anna K.", "anna k.")
    assert people.person_by_key("anna") is None
    with pytest.raises(BadName):
        people.rename_person(anna, "OWNER", "owner")
    people.rename_person(anna, "ANNA K.", "anna k.")
    person = people.person(anna)
    assert person is not None and person.name == "ANNA K."


def test_a_session_lasts_until_its_end(people: PeopleStore) -> None:
    anna = invite(people)
    people.open_session(anna, "a", LATER)
    person = people.person_of_session("a", NOW)
    assert person is not None and person.id == anna
    assert people.person_of_session("a", LATER - 0.1) is not None
    assert people.person_of_session("a", LATER) is None
    assert people.person_of_session("b", NOW) is None
    people.close_session("a")
    people.close_session("never there")
    assert people.person_of_session("a", NOW) is None


def test_a_new_password_ends_the_sessions(people: PeopleStore) -> None:
    anna = invite(people)
    people.open_session(anna, "a", LATER)
    people.open_session(anna, "b", LATER)
    people.open_session(1, "owner", LATER)
    people.set_password_hash(anna, "new hash")
    person = people.person(anna)
    assert person is not None and person.password_hash == "new hash"
    assert people.person_of_session("a", NOW) is None and people.person_of_session("b", NOW) is None
    assert people.person_of_session("owner", NOW) is not None


def test_a_removed_person_is_gone_and_the_name_is_free(people: PeopleStore) -> None:
    anna = invite(people)
    people.open_session(anna, "a", LATER)
    people.remove_person(anna)
    assert people.person(anna) is None and people.person_by_key("anna") is None
    assert people.person_of_session("a", NOW) is None
    assert [person.id for person in people.people()] == [1]
    people.add_invitation("again", LATER)
    assert people.accept_invitation("again", NOW, "Anna", "anna", "hash").name == "Anna"


def test_nobody_can_be_changed(people: PeopleStore) -> None:
    anna = invite(people)
    people.remove_person(anna)
    for account in (anna, 77):
        for change in (
            lambda at=account: people.rename_person(at, "x", "x"),
            lambda at=account: people.set_password_hash(at, "x"),
            lambda at=account: people.remove_person(at),
            lambda at=account: people.open_session(at, "x", LATER),
        ):
            with pytest.raises(NotFound):
                change()


def test_one_invitation_is_used_once_by_many_at_a_time(people: PeopleStore) -> None:
    people.add_invitation("digest", LATER)

    def accept(number: int) -> bool:
        try:
            people.accept_invitation("digest", NOW, f"guest {number}", f"guest {number}", "hash")
        except InvitationInvalid:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(accept, range(8))) == 1
    assert len(people.people()) == 2


def test_accounts_work_on_it(people: PeopleStore) -> None:
    accounts = Accounts(people, b"k" * 32, clock=lambda: NOW, passwords=Passwords(time_cost=1, memory_kib=8))
    made = accounts.prepare_owner("anna")
    assert made is not None
    token = accounts.sign_in("ANNA", made, "127.0.0.1")
    owner = accounts.account_of(token)
    assert owner is not None and owner.owner
    guest_token = accounts.accept(accounts.invite(owner).token, "Boris", "long password")
    guest = accounts.account_of(guest_token)
    assert guest is not None and not guest.owner
    accounts.remove(owner, guest.id)
    assert accounts.account_of(guest_token) is None
    with pytest.raises(SignInFailed):
        accounts.sign_in("Boris", "long password", "127.0.0.1")


# What only the history promises.


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[tuple[History, Callable[[float], None]]]:
    now = [NOW]
    history = History(f"sqlite:///{tmp_path / 'samovar.db'}", clock=lambda: now[0])
    yield history, lambda time: now.__setitem__(0, time)
    history.close()


def rows(history: History, table: str) -> int:
    with history._database.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def test_what_is_outdated_is_swept_out(clocked: tuple[History, Callable[[float], None]]) -> None:
    history, set_clock = clocked
    people: People = history.people
    people.open_session(1, "old", LATER)
    people.add_invitation("old", LATER)
    set_clock(LATER + 1)
    people.open_session(1, "new", LATER + 100)
    people.add_invitation("new", LATER + 100)
    assert (rows(history, "session"), rows(history, "invitation")) == (1, 1)


def test_the_chats_of_a_removed_person_are_out_of_reach_for_good(history: History, guest: int) -> None:
    chat = history.create_chat(guest, "secret").id
    message = history.add_message(guest, chat, None, "assistant", "secret", state="writing").id
    history.people.remove_person(guest)
    history.people.add_invitation("next", 1e12)
    successor = history.people.accept_invitation("next", 0.0, "Guest", "guest", "hash").id
    assert successor != guest, "an id is never given again"
    for account in (guest, successor, 1):
        assert history.chats(account) == [] and history.search(account, "secret", 10) == []
        with pytest.raises(NotFound):
            history.dialogue(account, chat)
    with pytest.raises(NotFound):
        history.create_chat(guest, "more")
    history.save_draft(message, "a job may be running still", "")
    history.finish(message, "and end", "", "stopped", None)


def test_people_outlive_the_server(url: str) -> None:
    history = History(url)
    invite(history.people)
    history.people.open_session(2, "a", 1e12)
    history.close()
    history = History(url)
    person = history.people.person_of_session("a", NOW)
    assert person is not None and person.name == "Anna"
    history.close()
