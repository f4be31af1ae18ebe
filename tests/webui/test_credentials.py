"""Passwords, tokens and the key that signs them."""

import stat
import threading
import unicodedata
from pathlib import Path

import pytest

from webui import credentials
from webui.credentials import (
    LONGEST_PASSWORD,
    BadPassword,
    Passwords,
    Tokens,
    appearance,
    clean_name,
    make_password,
    name_key,
    signing_key,
)
from webui.errors import TooManyAttempts

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(time_cost=1, memory_kib=64)


def test_only_the_right_password_matches(passwords: Passwords) -> None:
    kept = passwords.hash("correct horse")
    assert kept.startswith("$argon2id$") and "correct" not in kept and kept != passwords.hash("correct horse")
    assert passwords.matches(kept, "correct horse")
    for wrong in ("", "Correct horse", "correct horse ", "correct horse\0", "x" * 10_000_000):
        assert not passwords.matches(kept, wrong)
    for nobody in (None, "", "plain", "$argon2id$broken"):
        assert not passwords.matches(nobody, "correct horse")


def test_a_keyboard_that_writes_accents_otherwise_writes_the_same_password(passwords: Passwords) -> None:
    kept = passwords.hash(unicodedata.normalize("NFC", "пароль ёжика"))
    assert passwords.matches(kept, unicodedata.normalize("NFD", "пароль ёжика"))


@pytest.mark.parametrize("password", ["", "1234567", "x" * (LONGEST_PASSWORD + 1)])
def test_passwords_that_are_refused(passwords: Passwords, password: str) -> None:
    with pytest.raises(BadPassword):
        passwords.hash(password)


def test_many_at_once_wait_and_are_told(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_PATIENCE", 0.01)
    going, begun = threading.Event(), threading.Barrier(3)

    def hold() -> None:
        with passwords._admitted():
            begun.wait(5)
            going.wait(5)

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait(5)
    with pytest.raises(TooManyAttempts):
        passwords.matches(None, "x")
    going.set()
    for thread in threads:
        thread.join()
    assert not passwords.matches(None, "x")


def test_made_passwords_can_be_read_aloud() -> None:
    made = {make_password() for _ in range(50)}
    assert len(made) == 50
    for each in made:
        assert [len(part) for part in each.split("-")] == [4] * 4 and not set(each) & set("il1o0")


def test_a_token_is_good_for_its_purpose_and_key() -> None:
    tokens = Tokens(KEY)
    token, digest = tokens.make("session")
    assert tokens.digest("session", token) == digest and len(digest) == 64 and digest not in token
    assert tokens.digest("invitation", token) is None and Tokens(bytes(32)).digest("session", token) is None
    assert token != tokens.make("session")[0]
    secret, _, signature = token.partition(".")
    for other in (
        "",
        ".",
        secret,
        f"{secret}.",
        f"{secret}.{signature}.",
        f"{secret}.{signature}x",
        f"x{token}",
        "é.é",
        "\0",
    ):
        assert tokens.digest("session", other) is None
    with pytest.raises(ValueError, match="32 bytes"):
        Tokens(b"short")


def test_the_key_lasts_and_is_its_owner_s(tmp_path: Path) -> None:
    file = tmp_path / "new" / "secret"
    key = signing_key(file)
    assert len(key) == 32 and signing_key(file) == key and signing_key(tmp_path / "other") != key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and [path.name for path in file.parent.iterdir()] == ["secret"]
    file.write_bytes(b"cut short")
    assert len(signing_key(file)) == 32 and len(file.read_bytes()) == 32


def test_names_are_kept_in_one_form() -> None:
    assert clean_name("  Анна   Мария ") == "Анна Мария"
    assert clean_name(unicodedata.normalize("NFD", "Zoë")) == unicodedata.normalize("NFC", "Zoë")
    assert name_key("ＡＮＮＡ") == name_key("anna") == name_key("Anna\u00a0") and name_key("Straße") == name_key(
        "STRASSE"
    )
    assert name_key("Анна") != name_key("Anna")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [("Anna", "Аnnа", True), ("Boris", "Bоrіs", True), ("Ilya", "llya", True), ("Oleg", "0leg", True),
     ("Нора", "Hopa", True),
     ("Анна", "Anna", False), ("Саша", "Паша", False), ("Маша", "Миша", False), ("Лев", "Лея", False),
     ("Ann", "Anna", False)],
)  # fmt: skip
def test_what_looks_alike(one: str, other: str, alike: bool) -> None:
    assert (appearance(one) == appearance(other)) is alike
