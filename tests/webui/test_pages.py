"""The plain pages: both languages, the reader's choice, and nothing that a text could break out of."""

import re
from string import Formatter

import pytest
from starlette.requests import Request

from backends.errors import SamovarError
from webui import errors
from webui.credentials import BadPassword
from webui.pages.render import PAGES, Pages, explain, reader_language
from webui.pages.words import WORDS, say

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def asked(query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/people", "query_string": query.encode(), "headers": raw})


def test_both_languages_say_the_same_things() -> None:
    for key, (english, russian) in WORDS.items():
        assert english.strip() and CYRILLIC.search(russian) and not CYRILLIC.search(english), key
        places = [sorted(name for _, name, _, _ in Formatter().parse(said) if name) for said in (english, russian)]
        assert places[0] == places[1], key


def test_the_templates_ask_for_words_that_there_are() -> None:
    used = {
        key for path in PAGES.glob("*.html") for key in re.findall(r"""\bt\(["'](\w+)["']""", path.read_text("utf-8"))
    }
    assert len(used) > 30 and used <= set(WORDS)


@pytest.mark.parametrize(
    ("query", "headers", "language"),
    [("", {}, "en"), ("", {"accept_language": "ru-RU,ru;q=0.9"}, "ru"),
     ("", {"accept_language": "de, RU;q=0.8, en"}, "ru"),
     ("", {"accept_language": "de"}, "en"), ("lang=ru", {}, "ru"), ("lang=xx", {"accept_language": "ru"}, "ru"),
     ("lang=en", {"cookie": "samovar_language=ru"}, "en"), ("", {"cookie": "samovar_language=ru"}, "ru"),
     ("lang=../x", {"cookie": "samovar_language=<b>"}, "en")],
)  # fmt: skip
def test_the_reader_s_language(query: str, headers: dict[str, str], language: str) -> None:
    assert reader_language(asked(query, **headers)) == language


def test_a_page_keeps_foreign_text_in_its_place() -> None:
    evil = "\"><script>alert('x')</script>"
    page = Pages().page(
        asked(f"next={evil}&lang=ru&theme={evil}", cookie=f"samovar_theme={evil}"),
        "sign_in",
        next=evil,
        name=evil,
        error=evil,
    )
    text = bytes(page.body).decode()
    assert "<script" not in text and 'lang="ru"' in text and 'data-theme="auto"' in text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["set-cookie"].startswith("samovar_language=ru") and "vary" in page.headers


def test_the_other_language_is_a_link_that_keeps_the_rest() -> None:
    text = bytes(
        Pages().page(asked("next=%2Fpeople&lang=en"), "sign_in", next="/people", name="", error="").body
    ).decode()
    assert 'href="?next=%2Fpeople&amp;lang=ru"' in text


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize(
    "error",
    [
        errors.SignInFailed(), errors.TooManyAttempts(seconds=7), BadPassword(least=8, most=1024),
        errors.InvitationInvalid(),
        *(errors.BadName(name="x", reason=reason) for reason in ("taken", "invisible", "too_long", "empty", "{y}")),
        errors.NotFound(what="account"), errors.StorageFull(reason="x"), errors.BadName(name="{x}", reason="taken"),
    ],
    ids=lambda at: f"{at.code}-{at.details.get('reason')}",
)  # fmt: skip
def test_every_refusal_has_a_sentence(error: SamovarError, language: str) -> None:
    said = explain(error, language)  # type: ignore[arg-type]
    assert said and "{" not in said and bool(CYRILLIC.search(said)) == (language == "ru")
    if isinstance(
        error, errors.SignInFailed | errors.TooManyAttempts | BadPassword | errors.BadName
    ) and "{" not in str(error):
        assert said != say(language, "trouble")  # type: ignore[arg-type]
