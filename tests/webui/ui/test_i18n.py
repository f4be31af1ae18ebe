"""Every sentence is there in both languages, with the same places; what the sources ask for exists."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from string import Formatter

import pytest

from backends.errors import PromptTooLong, SamovarError
from backends.sampling import Group, knobs
from tests.style.source import ROOT, product_files, tree_of
from webui.errors import BadName, NothingToDo, PortInUse
from webui.ui import i18n
from webui.ui.words.console import CONSOLE
from webui.ui.words.errors import ERRORS, UNKNOWN
from webui.ui.words.knobs import GROUPS, HELP, LABELS
from webui.ui.words.notices import NOTICES
from webui.ui.words.page import PAGE
from webui.ui.words.panel import PANEL
from webui.ui.words.reasons import REASONS, UNSAID
from webui.ui.words.shapes import SHAPES

TABLES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "console": CONSOLE,
    "errors": ERRORS,
    "groups": GROUPS,
    "help": HELP,
    "labels": LABELS,
    "notices": NOTICES,
    "page": PAGE,
    "panel": PANEL,
    "shapes": SHAPES,
    "reasons": {"": UNSAID} | {english: (english, russian) for english, russian in REASONS.items()},
}
SENTENCES = [(f"{name}: {key}", *words) for name, table in TABLES.items() for key, words in table.items()]
SAME_IN_BOTH = ["errors: bad_setting", "labels: mirostat", "shapes: shape.json"]
# Latin words that a Russian sentence may hold: places, flags, file formats, names and terms of the field.
LATIN = re.compile(
    r"\{[^}]*\}|--[\w-]+|user/repo:Q4_K_M|(?:top|min|typical)-[pkn]|logit bias|seed|Mirostat|DRY|XTC|GGUF|Git LFS|pip"
    r"|safetensors|pickle|config\.json|bfloat16|float16|Nvidia|bitsandbytes"
    r"|JSON(?: Schema)?|prefixItems|items|GBNF|Lark|Rust|true|false|\bstart\b"
    r"|OpenAI|SAMOVAR_\w+|Ctrl-C|llama\.cpp|HTTP|HF_\w+"
)
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def places(words: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each place in a sentence, and what follows its colon."""
    for _, name, spec, _ in Formatter().parse(words):
        if name is not None:
            yield name, spec or ""


def test_both_languages_say_everything() -> None:
    assert len(SENTENCES) > 200
    assert not [key for key, *words in SENTENCES if not all(map(str.strip, words))]
    assert sorted(key for key, english, russian in SENTENCES if english == russian) == SAME_IN_BOTH
    assert not [key for key, _, said in SENTENCES if not CYRILLIC.search(said) and key not in SAME_IN_BOTH]


def test_both_languages_name_the_same_details() -> None:
    named = [(key, *(sorted({name for name, _ in places(said)}) for said in words)) for key, *words in SENTENCES]
    assert not [(key, english, russian) for key, english, russian in named if english != russian]


def test_every_word_is_written_in_its_own_letters() -> None:
    assert not [key for key, english, _ in SENTENCES if CYRILLIC.search(english) or re.search("[«»]", english)]
    assert not [key for key, _, russian in SENTENCES if re.search('[a-z“”"]', LATIN.sub("", russian), re.IGNORECASE)]
    words = [word for _, _, russian in SENTENCES for word in re.findall(r"\w+", russian)]
    assert not [word for word in words if CYRILLIC.search(word) and re.search("[a-z]", word, re.IGNORECASE)]


def test_a_counted_word_has_all_its_forms() -> None:
    for _, *words in SENTENCES:
        for said, forms in zip(words, (2, 3), strict=True):
            assert all(spec in ("", "n") or len(spec.split("|")) == forms for _, spec in places(said)), said


@cache
def errors() -> Mapping[str, set[str]]:
    """Return every error of the product: its class, and the details that its English message names."""
    classes = {
        node.name: node
        for path in product_files(".py")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
    }
    return {name: set(found) for name in classes if (found := _message_places(name, classes)) is not None}


def _message_places(name: str, classes: Mapping[str, ast.ClassDef]) -> list[str] | None:
    node = classes.get(name)
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)] if node else []
    above = next((found for base in bases if (found := _message_places(base, classes)) is not None), None)
    if node is None or (above is None and name != "SamovarError"):
        return None
    for statement in node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "message":
            return [place for place, _ in places(ast.literal_eval(statement.value))]
    return above


def code_of(name: str) -> str:
    """Return the code of an error's class."""
    return type(name, (SamovarError,), {})().code


def test_every_error_has_its_sentence() -> None:
    assert len(errors()) > 30
    assert not {code_of(name) for name in errors()} - set(ERRORS)


def test_no_sentence_is_for_an_error_that_is_gone() -> None:
    assert not {key.split(".")[0] for key in ERRORS} - {code_of(name) for name in errors()} - {UNKNOWN}


def test_a_sentence_asks_only_for_the_details_of_its_error() -> None:
    known = {code_of(name): details for name, details in errors().items()}
    for key, words in ERRORS.items():
        if key != UNKNOWN:
            assert {name for name, _ in places(words[0])} <= known[key.split(".")[0]], key


def given_reasons() -> Iterator[tuple[str, str]]:
    """Yield (error, reason) for every `reason`, `what` and `allowed` that the sources write out; places are `{x}`."""
    for path in product_files(".py"):
        for node in ast.walk(tree := tree_of(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in errors():
                for keyword in node.keywords:
                    if keyword.arg in ("reason", "what", "allowed"):
                        yield from ((node.func.id, said) for said in _written(keyword.value, tree))


def _written(value: ast.expr, tree: ast.Module, followed: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the texts that an expression may be, through names and functions of its module."""
    within: list[ast.expr] = []
    match value:
        case ast.Constant(str() as said):
            yield said
        case ast.JoinedStr(parts):
            said = "".join(str(part.value) if isinstance(part, ast.Constant) else "{x}" for part in parts)
            if re.search("[a-z]{2}", said.replace("{x}", "")):
                yield said
        case ast.BoolOp(values=values):
            within = values
        case ast.IfExp(body=one, orelse=other):
            within = [one, other]
        case ast.Name(name) | ast.Call(func=ast.Name(name)) if name not in followed:
            followed |= {name}
            within = list(_given(name, tree))
    for inner in within:
        yield from _written(inner, tree, followed)


def _given(name: str, tree: ast.Module) -> Iterator[ast.expr]:
    """Yield what a module assigns to a name, or returns from the function of that name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            yield node.value
        elif isinstance(node, ast.FunctionDef) and node.name == name:
            yield from (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return) and inner.value)


def test_every_reason_is_known_in_russian() -> None:
    found = list(given_reasons())
    known = {f"{code_of(error)}.{said}" for error, said in found} & set(ERRORS)
    strange = [
        (error, said)
        for error, said in found
        if f"{code_of(error)}.{said}" not in known and i18n.reason(said, "ru") == said.strip().rstrip(".")
    ]
    assert len(found) > 20
    assert not strange


def test_every_lever_and_group_has_words() -> None:
    assert set(LABELS) == set(HELP) == set(knobs())
    assert set(GROUPS) == set(Group.__args__)
    assert i18n.knob("min_p", "ru").label.startswith("Порог")
    assert i18n.knob("min_p", "en").help.endswith(".")
    assert i18n.group("basic", "ru") == "Основные"


def test_every_notice_that_is_given_has_words() -> None:
    used = {
        node.args[2].value
        for path in product_files(".py") for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "notice"
        and len(node.args) > 2 and isinstance(node.args[2], ast.Constant)
    }  # fmt: skip
    assert used == set(NOTICES)


def test_every_sentence_that_the_sources_ask_for_exists() -> None:
    used = [
        found
        for path in product_files(".py")
        for found in re.findall(r"""i18n\.text\(\s*["']([^"']+)["']""", path.read_text(encoding="utf-8"))
    ]
    assert "console.ready" in used
    assert not set(used) - {*PAGE, *PANEL, *CONSOLE}


def test_the_scripts_ask_only_for_what_exists() -> None:
    table = i18n.table("en")
    for path in (ROOT / "webui" / "ui" / "assets").glob("*.js"):
        script = path.read_text(encoding="utf-8")
        assert not set(re.findall(r"""\bt\(\s*["']([^"']+)["']""", script)) - set(table), path.name


def test_the_page_gets_every_sentence_with_its_places_open() -> None:
    assert i18n.table("ru")["meter.used"].startswith("{used} из {window} ")
    assert set(i18n.table("ru")) == set(i18n.table("en")) == {*PAGE, *PANEL, *SHAPES}
    assert len(PAGE) + len(PANEL) + len(SHAPES) == len({*PAGE, *PANEL, *SHAPES})


@pytest.mark.parametrize(
    ("tag", "language"),
    [("ru", "ru"), ("ru-RU", "ru"), ("RU_ru.UTF-8", "ru"), ("en-GB", "en"), ("uk", "en"), ("de-CH", "en"), ("", "en"),
     ("rum", "en"), ("run-BI", "en")],
)  # fmt: skip
def test_the_reader_gets_russian_only_when_asking_for_it(tag: str, language: str) -> None:
    assert i18n.language(tag) == language


@pytest.mark.parametrize(
    ("value", "word"),
    [(0, "токенов"), (1, "токен"), (2, "токена"), (4, "токена"), (5, "токенов"), (11, "токенов"), (12, "токенов"),
     (21, "токен"), (22, "токена"), (111, "токенов"), (1001, "токен"), (1.5, "токена")],
)  # fmt: skip
def test_russian_counts_in_three_forms(value: float, word: str) -> None:
    assert i18n.plural(value, "ru", ("токен", "токена", "токенов")) == word


def test_english_counts_in_two() -> None:
    assert [i18n.plural(value, "en", ("token", "tokens")) for value in (0, 1, 1.5, 2, 21)] == [
        "tokens", "token", "tokens", "tokens", "tokens",
    ]  # fmt: skip


def test_numbers_are_grouped_and_texts_are_not() -> None:
    assert i18n.text("stats.tokens", "en", tokens=12345) == "12,345 tokens"
    assert i18n.text("stats.tokens", "ru", tokens=12341) == "12\N{NO-BREAK SPACE}341 токен"
    assert i18n.text("stats.speed", "ru", speed=1234.5) == "1\N{NO-BREAK SPACE}234,5 токенов/с"
    assert i18n.text("stats.seed", "en", seed="12345") == "seed 12345"


def test_an_unknown_key_or_a_missing_detail_is_an_error() -> None:
    with pytest.raises(KeyError):
        i18n.text("no.such.key", "en")
    with pytest.raises(KeyError):
        i18n.text("stats.tokens", "en")


def test_an_error_is_said_the_same_whether_its_details_are_numbers_or_texts() -> None:
    error = PromptTooLong(tokens=12001, window=4096)
    texts = {name: str(value) for name, value in error.details.items()}
    for language in ("en", "ru"):
        assert i18n.error(error.code, error.details, language) == i18n.error(error.code, texts, language)
    assert "12,001 tokens" in i18n.error(error.code, texts, "en")
    assert "12\N{NO-BREAK SPACE}001 токен," in i18n.error(error.code, texts, "ru")


def test_what_is_no_amount_is_not_grouped() -> None:
    error = PortInUse(port=7860)
    assert "7860" in i18n.error(error.code, error.details, "en")
    assert "«12345»" in i18n.error("preset_exists", {"name": "12345"}, "ru")


def test_a_case_has_its_own_sentence() -> None:
    for error in (NothingToDo(reason="empty"), NothingToDo(reason="no_reply"), BadName(name="x", reason="taken")):
        for language in ("en", "ru"):
            said = i18n.error(error.code, error.details, language)
            assert error.details["reason"] not in said.replace("is taken", "")


@pytest.mark.parametrize(
    ("code", "details", "russian"),
    [
        ("engine_failed", {}, "Движок отказал: причина неизвестна."),
        ("engine_failed", {"reason": " "}, "Движок отказал: причина неизвестна."),
        ("engine_failed", {"reason": "the KV cache is full"}, "Движок отказал: память контекста заполнена."),
        ("engine_failed", {"reason": "Odd."}, "Движок отказал: Odd."),
        ("port_in_use", {}, "Порт ? занят"),
        ("of_tomorrow", {"reason": "x"}, "Что-то пошло не так (of_tomorrow)."),
        ("invalid_parameter", {"name": "temperature", "value": "9", "allowed": "0 and more"},
         "«Температура» не может быть 9. Допустимо: от 0."),
        ("invalid_parameter", {"name": "gpu_layers", "value": "-5", "allowed": "-1 and more"},
         "«--gpu-layers» не может быть -5. Допустимо: от -1."),
        ("invalid_parameter", {"name": "backend", "value": "x", "allowed": "a, b"}, "Движка x нет. Есть: a, b."),
        ("database_broken", {"reason": "another program's table is in the way: a.b"},
         "мешает таблица другой программы: a.b."),
    ],
)  # fmt: skip
def test_an_error_is_said_in_russian(code: str, details: Mapping[str, object], russian: str) -> None:
    assert russian in i18n.error(code, details, "ru")


def test_the_details_of_an_error_are_only_text() -> None:
    for hostile in ("{reason}", "{0.__class__}", "{", "}{", "%s", "1e999999999", "9" * 400):
        assert hostile in i18n.error("preset_exists", {"name": hostile}, "ru")
        assert i18n.error("prompt_too_long", {"tokens": hostile, "window": hostile}, "ru")


def test_a_notice_tells_what_was_done_or_what_went_wrong() -> None:
    assert i18n.notice("deleted_chat", {"title": "{x}"}, "ru") == ("info", "Чат «{x}» удалён.")
    assert i18n.notice("chat_busy", {}, "en") == ("error", i18n.error("chat_busy", {}, "en"))


def test_the_words_need_no_page() -> None:
    program = (
        "import sys; from webui.ui import i18n; print(sorted({'gradio', 'fastapi', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
