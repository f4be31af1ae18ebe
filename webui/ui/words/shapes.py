"""What the page says of the shape of replies, in English and Russian; see `page` for the places."""

from __future__ import annotations

from collections.abc import Mapping

SHAPES: Mapping[str, tuple[str, str]] = {
    "shape.title": ("Shape of the answer", "Форма ответа"),
    "shape.on": ("Replies are held to a shape", "Ответы держатся заданной формы"),
    "shape.free": ("Free", "Любая"),
    "shape.free.help": (
        "The model writes as it likes.",
        "Модель пишет как хочет.",
    ),
    "shape.json": ("JSON", "JSON"),
    "shape.json.help": (
        "Any JSON object. Say in your message which names it should have.",
        "Любой объект JSON. Какие в нём нужны имена, скажите в сообщении.",
    ),
    "shape.schema": ("Schema", "Схема"),
    "shape.schema.help": (
        "JSON by a JSON schema. Every keyword is kept to: one that cannot be is an error here, not a surprise later.",
        "JSON по схеме JSON Schema. Соблюдается каждое ключевое слово: если какое-то нельзя соблюсти, это видно сразу.",
    ),
    "shape.choices": ("Choices", "Варианты"),
    "shape.choices.help": (
        "The reply is exactly one of these lines.",
        "Ответом станет ровно одна из этих строк.",
    ),
    "shape.regex": ("Regex", "Выражение"),
    "shape.regex.help": (
        "The whole reply matches a regular expression in Rust's syntax: no look-around, no back references.",
        "Весь ответ подходит под регулярное выражение (синтаксис Rust, без просмотра вперёд и обратных ссылок).",
    ),
    "shape.grammar": ("Grammar", "Грамматика"),
    "shape.grammar.help": (
        "The reply is a sentence of a grammar, in llama.cpp's GBNF or in Lark.",
        "Ответ строится по грамматике: GBNF, как в llama.cpp, или Lark.",
    ),
    "shape.editor": ("The text of the shape", "Текст формы"),
    "shape.choices.editor": ("Choices, one in a line", "Варианты, по одному в строке"),
    "shape.good": ("This can be kept to.", "Такую форму можно соблюсти."),
    "shape.place": ("Line {line}, column {column}", "Строка {line}, столбец {column}"),
    "shape.goto": ("Go to this place", "Перейти к этому месту"),
    "shape.unsupported": (
        "This engine cannot keep replies to a shape.",
        "Этот движок не умеет держать ответ в заданной форме.",
    ),
    "shape.unsupported.some": ("This engine cannot do: {names}.", "Этот движок не умеет: {names}."),
    "shape.examples": ("For example", "Например"),
    "shape.example.yes_no": ("yes or no", "да или нет"),
    "shape.example.list": ("a list", "список"),
    "shape.example.record": ("a record", "карточка"),
    "shape.example.table": ("a table", "таблица"),
    "shape.word.yes": ("yes", "да"),
    "shape.word.no": ("no", "нет"),
    "shape.word.name": ("name", "название"),
    "shape.word.year": ("year", "год"),
    "shape.word.about": ("about", "описание"),
    "shape.word.tags": ("tags", "метки"),
    "shape.word.country": ("country", "страна"),
    "shape.word.capital": ("capital", "столица"),
    "shape.word.population": ("population", "население"),
    "data.raw": ("Show the text", "Показать текст"),
    "data.drawn": ("Show the table", "Показать таблицу"),
}
