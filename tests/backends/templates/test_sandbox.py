"""What a template gets to use, and what it does not get away with."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backends.errors import TemplateFailed
from backends.templates.sandbox import Program, Refusal, clock
from backends.values import ChatPrompt
from tests.backends.templates.makers import own, user

HELLO = ({"role": "user", "content": "Hi <b>é</b>"},)


def run(source: str, **variables: object) -> str:
    return Program(source).run(HELLO, 20, variables)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ messages[0] | tojson }}", '{"role": "user", "content": "Hi <b>é</b>"}'),
        ("{{ {'b': 1, 'a': 2} | tojson(indent=1) }}", '{\n "b": 1,\n "a": 2\n}'),
        ("{% for i in [1, 2, 3, 4] %}{% if i == 2 %}{% continue %}{% endif %}"
         "{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}", "13"),
        ("{% if true %}\n  {% set x = 1 %}\nx{{ x }}\n{% endif %}", "x1\n"),
        ("{% generation %}a{{ 1 }}{% endgeneration %}b", "a1b"),
        ("{{ tools is none }} {{ documents is none }} {{ nothing is defined }}", "True True False"),
        ("{% set ns = namespace(a=1) %}{% set ns.a = ns.a + 1 %}{{ ns.a }}", "2"),
        ("{% for i in range(3) %}{{ '*' * i }}{{ 2 ** i }}{% endfor %}", "1*2**4"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('a') }}", "<a>"),
        ("{{ 'a,b'.split(',')[-1] }}{{ ' x '.strip() }}", "bx"),
    ],
)  # fmt: skip
def test_the_helpers_are_those_that_templates_expect(source: str, text: str) -> None:
    assert run(source) == text


def test_the_clock_is_the_one_given() -> None:
    now = datetime(2024, 7, 26, tzinfo=UTC)
    assert run("{{ strftime_now('%d %b %Y') }}", **clock(now)) == "26 Jul 2024"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__class__.__base__ }}",
        "{{ raise_exception.__globals__['json'] }}",
        "{{ strftime_now.__self__ }}",
        "{{ ''['__class__'] }}",
        "{{ '' | attr('__class__') }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{% for x in (1).__class__.__mro__ %}{{ x }}{% endfor %}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update(a=1) }}",
    ],
)
def test_nothing_leads_out_of_the_sandbox(source: str) -> None:
    with pytest.raises(TemplateFailed, match="may not"):
        run(source, strftime_now=datetime(2024, 7, 26, tzinfo=UTC).strftime)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for i in range(10000) %}{{ 'x' * 10000 }}{% endfor %}",
        "{{ 'x' * 10 ** 12 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ range(10 ** 9) }}",
        "{{ 'x'.ljust(10 ** 10) }}",
        "{% for _ in lipsum(n=10 ** 9) %}{% endfor %}",
    ],
)
def test_nothing_runs_or_grows_without_end(source: str) -> None:
    with pytest.raises(TemplateFailed):
        run(source)


@pytest.mark.parametrize("source", ["{% for %}", "{{ 1 +", "{% if x %}", "{{ x | no_such_filter }}", "{% raise %}"])
def test_a_broken_template_is_an_error_of_ours(source: str) -> None:
    template = own(source)
    with pytest.raises(TemplateFailed, match="compiled"):
        template.render(ChatPrompt((user("Hi"),)))


@pytest.mark.parametrize("source", ["{{ messages[9].role }}", "{{ 1 / 0 }}", "{{ 'a' + 1 }}", "{{ nothing() }}"])
def test_a_template_that_stumbles_is_an_error_of_ours(source: str) -> None:
    with pytest.raises(Refusal):
        run(source)
    with pytest.raises(TemplateFailed):
        own(source).render(ChatPrompt((user("Hi"),)))


def test_what_a_message_says_is_never_run() -> None:
    rendered = own("{% for m in messages %}{{ m.content }}|{% endfor %}").render(
        ChatPrompt((user("{{ 7*7 }}{% raise %}{{ ''.__class__ }}"),), "user", "{{ 8*8 }}")
    )
    assert rendered.text == "{{ 7*7 }}{% raise %}{{ ''.__class__ }}|{{ 8*8 }}"


def test_no_template_can_reach_what_counts_its_steps() -> None:
    source = "{% set _ = 1 %}{% for x in range(3) %}{{ self._TemplateReference__context }}{% endfor %}"
    with pytest.raises(TemplateFailed):
        run(source)
