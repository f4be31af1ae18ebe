"""Replies that are JSON, drawn for people: what is a table, a record, a list; and what stays text."""

import json
from typing import Any

import pytest

from webui.ui.structured import LONGEST, begins, structured, unfinished


def drawn(value: Any) -> str:
    """Return the drawn half."""
    html = structured(json.dumps(value, ensure_ascii=False))
    assert html is not None
    half, found, raw = html.partition('<div class="raw">')
    assert found and 'data-lang="json"' in raw
    return half


def test_a_list_of_records_is_a_table() -> None:
    html = drawn([{"name": "Tea", "year": 1778}, {"name": "Cup", "year": 9, "more": None}])
    assert '<th class="left">name</th><th class="right">year</th><th class="left">more</th>' in html
    assert (
        '<td class="left">Cup</td><td class="right">9</td><td class="left"><span class="nothing">—</span></td>' in html
    )
    assert html.count("<tr>") == 3


def test_a_record_is_names_and_values() -> None:
    html = drawn({"имя": "Самовар", "on": True, "tags": ["a", 5], "deep": {"x": [{"y": 1}]}, "none": []})
    assert '<table class="record">' in html and "<th>имя</th><td>Самовар</td>" in html
    assert '<span class="flag">true</span>' in html and '<span class="line">a, 5</span>' in html
    assert html.count("<table") == 3


def test_a_list_is_a_list() -> None:
    assert drawn(["one", "two"]).count("<li>") == 2
    assert "<ol>" in drawn([["a", "b"], {"c": 1}])
    sentence = "a sentence that is far too long to stand in one line with others"
    assert f"<li>{sentence}</li>" in drawn({"x": [sentence, "b"]})


def test_whatever_is_in_it_is_text() -> None:
    hostile = '<img src=x onerror=alert(1)><script>alert(1)</script>&lt;"'
    html = structured(json.dumps([{hostile: hostile}, {hostile: "\u202e\x00"}]))
    assert html is not None and "<img" not in html and "<script" not in html
    assert "&lt;img" in html and "\u202e" not in html


@pytest.mark.parametrize(
    "text",
    ["", "Hello", "5", '"text"', "null", "{}", "[]", "{", '{"a": 1} and more', '```json\n{"a": 1}\n```', "[1](https://x)",
     "[" * 5000, json.dumps({"a": "x" * LONGEST})],
)  # fmt: skip
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert structured(text) is None


def test_what_is_nested_too_deeply_or_too_wide_is_told_all_the_same() -> None:
    deep: Any = "end"
    for _ in range(40):
        deep = {"in": deep}
    assert "<code>" in drawn(deep) and "end" in drawn(deep)
    assert "<ol>" in drawn([{f"c{at}": at for at in range(30)}])


@pytest.mark.parametrize("text", ["{", '{"a', '{\n "a": 1', "{}", '[{"a"', '["a', "\n [ {"])
def test_json_is_seen_while_it_is_written(text: str) -> None:
    assert begins(text)
    assert 'data-lang="json"' in unfinished(text)


@pytest.mark.parametrize("text", ["", "a {", "{{ x }}", "{x}", "[1] says", "[link](https://x)", "[ ] a task"])
def test_and_what_only_begins_alike_is_not(text: str) -> None:
    assert not begins(text)
