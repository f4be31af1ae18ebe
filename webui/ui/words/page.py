"""What the page says round the dialogue, in English and Russian: chats, composer, messages, figures.

The page's scripts fill the places: `{name}` is a detail, a number is grouped; `{name:one|many}`, in Russian
`{name:one|few|many}`, is the word that goes with a number. `panel` has the words of the model and the levers.
"""

from __future__ import annotations

from collections.abc import Mapping

PAGE: Mapping[str, tuple[str, str]] = {
    "chats.title": ("Chats", "Чаты"),
    "chats.new": ("New chat", "Новый чат"),
    "chats.search": ("Search the chats", "Поиск по чатам"),
    "chats.not_found": ("Nothing was found.", "Ничего не нашлось."),
    "chats.rename": ("Rename", "Переименовать"),
    "chats.delete": ("Delete the chat", "Удалить чат"),
    "chats.empty": ("Your chats will be here.", "Здесь будут ваши чаты."),
    "chats.today": ("Today", "Сегодня"),
    "chats.yesterday": ("Yesterday", "Вчера"),
    "chats.week": ("Last seven days", "За неделю"),
    "chats.older": ("Older", "Раньше"),
    "chats.more": ("Show earlier chats", "Показать более ранние чаты"),
    "drawer.chats": ("Show or hide the chats", "Показать или скрыть чаты"),
    "drawer.levers": ("Show or hide the levers", "Показать или скрыть рычаги"),
    "transcript.title": ("Dialogue", "Диалог"),
    "older.load": ("Show earlier messages", "Показать более ранние сообщения"),
    "scroll.down": ("To the end", "В конец"),
    "thinking": ("Thoughts", "Размышления"),
    "code.copy": ("Copy the code", "Скопировать код"),
    "composer.placeholder": ("Write a message…", "Напишите сообщение…"),
    "composer.send": ("Send", "Отправить"),
    "composer.stop": ("Stop", "Остановить"),
    "act.copy": ("Copy", "Скопировать"),
    "act.copied": ("Copied", "Скопировано"),
    "act.edit": ("Edit", "Изменить"),
    "act.regenerate": ("Write another version", "Написать другой вариант"),
    "act.continue": ("Continue from the end", "Продолжить с последнего слова"),
    "act.edit.rescued": (
        "The message that you were changing is no longer shown; your text is in the input box.",
        "Сообщения, которое вы меняли, больше не видно; ваш текст — в поле ввода.",
    ),
    "act.branch": ("Branch: a new chat that begins with all this", "Ответвить: новый чат с этим же началом"),
    "act.delete": ("Delete the message", "Удалить сообщение"),
    "act.prev": ("Previous version", "Предыдущий вариант"),
    "act.next": ("Next version", "Следующий вариант"),
    "versions.title": ("Which version of the message this is", "Который это вариант сообщения"),
    "act.save": ("Save", "Сохранить"),
    "act.cancel": ("Cancel", "Отмена"),
    "act.save_and_send": ("Save and send", "Сохранить и отправить"),
    "button.regenerate": ("Regenerate", "Ещё вариант"),
    "button.regenerate.title": (
        "Write another version of the last reply. The old one stays: ‹ and › under the reply turn between them.",
        "Написать последний ответ по-другому. Прежний сохранится: листайте стрелками ‹ и › под ответом.",
    ),
    "button.continue": ("Continue", "Дальше"),
    "button.continue.title": (
        "Let the last reply go on from its very last character.",
        "Продолжить последний ответ ровно с того места, где он кончился.",
    ),
    "button.impersonate": ("Impersonate", "За меня"),
    "button.impersonate.title": (
        "Let the model write your next message into the input box. You can change it before you send it.",
        "Модель напишет вашу следующую реплику в поле ввода. Перед отправкой её можно поправить.",
    ),
    "button.remove_last": ("Remove last", "Убрать"),
    "button.remove_last.title": (
        "Take away the last question with its reply, and put your text back into the input box.",
        "Убрать последний вопрос вместе с ответом и вернуть ваш текст в поле ввода.",
    ),
    "undo": ("Undo", "Вернуть"),
    "close": ("Close", "Закрыть"),
    "status.loading": ("Loading the model…", "Загружается модель…"),
    "status.queued": ("Waiting: {place} ahead", "Очередь: впереди {place}"),
    "status.reading": ("Reading the prompt… {percent}%", "Читает диалог… {percent} %"),
    "status.writing": ("Writing…", "Пишет…"),
    "status.impersonating": ("Writing your message…", "Пишет вашу реплику…"),
    "status.saving": ("The reply cannot be saved yet; trying again…", "Ответ пока не сохраняется; пробуем снова…"),
    "state.stopped": ("Stopped", "Остановлено"),
    "state.length": ("The limit of length was reached", "Достигнут предел длины"),
    "state.cut": ("The reply was cut off when the server stopped", "Ответ оборвался: сервер остановился"),
    "state.failed": ("The reply failed", "Ответ не получился"),
    "stats.tokens": ("{tokens} {tokens:token|tokens}", "{tokens} {tokens:токен|токена|токенов}"),
    "stats.speed": ("{speed} tokens/s", "{speed} токенов/с"),
    "stats.first": ("first token after {seconds} s", "первый токен через {seconds} с"),
    "stats.model": ("Model: {model}", "Модель: {model}"),
    "stats.prompt": (
        "{prompt} {prompt:token|tokens} read, {cached} of them reused",
        "прочитано {prompt} {prompt:токен|токена|токенов}, из них из памяти — {cached}",
    ),
    "stats.seed": ("seed {seed}", "зерно {seed}"),
    "beams.title": ("{beams} {beams:beam|beams}", "{beams} {beams:луч|луча|лучей}"),
    "beams.help": (
        "The replies that the search ended with, from where they part. The number is the place, then the rating: the "
        "mean log-probability of a token when the length penalty is 1; nearer to 0 is better.",
        "Ответы, к которым пришёл поиск, с того места, где они расходятся. Сначала место, затем оценка: при поправке "
        "на длину 1 это средний логарифм вероятности токена; чем ближе к 0, тем лучше.",
    ),
    "beams.rating": ("place {place}, rating {rating}", "место {place}, оценка {rating}"),
    "meter.title": ("How full the model's window is", "Насколько заполнено окно модели"),
    "meter.used": ("{used} of {window} tokens", "{used} из {window} {window:токена|токенов|токенов}"),
    "meter.about": ("about {used} of {window} tokens", "около {used} из {window} {window:токена|токенов|токенов}"),
    "meter.reserve": ("{reserve} kept for the reply", "для ответа оставлено {reserve}"),
    "meter.dropped": ("{dropped} outside the window", "{dropped} вне окна"),
    "meter.dropped.title": (
        "{dropped} earlier {dropped:message is|messages are} not seen by the model any more",
        "{dropped} {dropped:раннее сообщение|ранних сообщения|ранних сообщений} модель уже не видит",
    ),
    "meter.edge": ("The model's window begins here", "Отсюда начинается окно модели"),
    "meter.draft": ("{draft} of them in the input box", "из них {draft} в поле ввода"),
    "greeting.title": ("What shall we talk about?", "О чём поговорим?"),
    "greeting.model": (
        "{model} · window of {window} {window:token|tokens}",
        "{model} · окно: {window} {window:токен|токена|токенов}",
    ),
    "greeting.no_model": (
        "No model is loaded yet. Click “No model” at the top and choose one: a file on this computer, or a name on "
        "the hub.",
        "Модель ещё не загружена. Нажмите «Нет модели» вверху и выберите: файл на этом компьютере или имя на хабе.",
    ),
    "greeting.try1": ("Explain something simply", "Объясни попроще"),
    "greeting.try1.text": (
        "Explain why the sky is blue, so that a ten-year-old understands it.",
        "Объясни, почему небо голубое, — так, чтобы понял десятилетний.",
    ),
    "greeting.try2": ("Help with a letter", "Помоги с письмом"),
    "greeting.try2.text": (
        "Help me write a short friendly letter to a neighbour who plays music late at night.",
        "Помоги написать короткое дружелюбное письмо соседу, который поздно вечером включает музыку.",
    ),
    "greeting.try3": ("Begin a story", "Начни рассказ"),
    "greeting.try3.text": (
        "Write the beginning of a story in which an old samovar turns out to remember everything said over tea.",
        "Напиши начало рассказа, в котором старый самовар помнит всё, что говорили за чаем.",
    ),
    "theme.light": ("Light", "Светлые"),
    "theme.dark": ("Dark", "Тёмные"),
    "theme.auto": ("As the system has them", "Как в системе"),
    "language.title": ("Language", "Язык"),
    "people.title": ("People", "Люди"),
    "sign_out": ("Sign out", "Выйти"),
    "connection.lost": ("No connection to Samovar; trying again…", "Нет связи с самоваром; пробуем снова…"),
    "connection.back": ("The connection is back.", "Связь восстановлена."),
    "connection.silent": (
        "Samovar does not answer. Please try again.",
        "Самовар не отвечает. Попробуйте ещё раз.",
    ),
}  # fmt: skip
