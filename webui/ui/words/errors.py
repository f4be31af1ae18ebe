"""What every error says, in English and Russian: by its `code`, or by `code.case` where the case has its own sentence.

The case is the detail `reason`, `what` or `name`, the first of them that there is. Places hold texts: `{name}` as it
is, `{tokens:n}` a number that is grouped, `{tokens:one|many}`, in Russian `{tokens:one|few|many}`, the word that goes
with it. `reasons` has the reasons.
"""

from __future__ import annotations

from collections.abc import Mapping

UNKNOWN = "unknown"
"""The key of the sentence for a code that is not here."""

ERRORS: Mapping[str, tuple[str, str]] = {
    UNKNOWN: ("Something went wrong ({code}).", "Что-то пошло не так ({code})."),
    "samovar_error": (
        "Something went wrong. The console of Samovar may say more.",
        "Что-то пошло не так. Подробности могут быть в консоли самовара.",
    ),
    "invalid_request": ("This cannot be done: {reason}.", "Так не получится: {reason}."),
    "invalid_parameter": (
        "“{name}” cannot be {value}. Allowed: {allowed}.",
        "«{name}» не может быть {value}. Допустимо: {allowed}.",
    ),
    "invalid_parameter.backend": (
        "There is no engine called {value}. There are: {allowed}.",
        "Движка {value} нет. Есть: {allowed}.",
    ),
    "invalid_parameter.model": (
        "{value} holds more than one model. Name one of them: {allowed}.",
        "В {value} не одна модель. Назовите нужную: {allowed}.",
    ),
    "invalid_parameter.quantization": (
        "{value} is not one file among those of the model. Put one of these after a colon: {allowed}.",
        "{value} — не один из файлов этой модели. Укажите после двоеточия один из этих: {allowed}.",
    ),
    "invalid_constraint": (
        "The shape of the answer cannot be kept to ({where}): {reason}.",
        "Такую форму ответа не соблюсти ({where}): {reason}.",
    ),
    "unknown_parameter": ("There is no lever called “{name}”.", "Рычага «{name}» не существует."),
    "unsupported_parameter": (
        "The engine {engine} has no lever “{name}”. Set it to neutral.",
        "У движка {engine} нет рычага «{name}». Верните его в нейтраль.",
    ),
    "unsupported_parameter.num_beams": (
        "Beam search is not possible here: it needs a model that runs on this computer, keeps its whole past, and was "
        "not started with --exact. Set the number of beams to 1.",
        "Лучевой поиск здесь невозможен: для него нужна модель, которая работает на этом компьютере, помнит всё "
        "прочитанное и запущена без --exact. Поставьте число лучей в 1.",
    ),
    "unsupported_parameter.constraint.json": (
        "The engine {engine} cannot keep its replies to JSON.",
        "Движок {engine} не умеет отвечать строго в JSON.",
    ),
    "unsupported_parameter.constraint.schema": (
        "The engine {engine} cannot keep its replies to a JSON schema.",
        "Движок {engine} не умеет отвечать строго по схеме JSON.",
    ),
    "unsupported_parameter.constraint.regex": (
        "The engine {engine} cannot keep its replies to a regular expression.",
        "Движок {engine} не умеет отвечать строго по регулярному выражению.",
    ),
    "unsupported_parameter.constraint.choices": (
        "The engine {engine} cannot keep its replies to a list of choices.",
        "Движок {engine} не умеет выбирать ответ строго из списка.",
    ),
    "unsupported_parameter.constraint.grammar": (
        "The engine {engine} cannot keep its replies to a grammar.",
        "Движок {engine} не умеет отвечать строго по грамматике.",
    ),
    "unsupported_feature.continue_shaped": (
        "The engine {engine} would begin the shape of the answer anew. Set the shape to free, or empty “Start reply "
        "with”.",
        "Движок {engine} начал бы форму ответа сначала. Выберите любую форму или очистите «Начать ответ с».",
    ),
    "unsupported_feature.shaped_thinking": (
        "The engine {engine} cannot leave the thinking of this model free and hold only its answer to a shape.",
        "Движок {engine} не умеет оставить размышления этой модели свободными и держать форму только в ответе.",
    ),
    "unsupported_feature": ("This engine cannot do this: {name}.", "Этот движок такого не умеет: {name}."),
    "unsupported_feature.continue": (
        "This engine cannot go on from the end of a reply.",
        "Этот движок не умеет продолжать ответ с того места, где он кончился.",
    ),
    "unsupported_feature.impersonate": (
        "This engine cannot write in your place, as it does not show its chat template. If you know which one it is, "
        "name it: --template NAME.",
        "Этот движок не может писать за вас: он не показывает свой шаблон диалога. Если вы знаете, какой он, "
        "назовите его: --template ИМЯ.",
    ),
    "unsupported_feature.alternatives": (
        "This engine does not tell what it weighed at each word.",
        "Этот движок не сообщает, из чего он выбирал каждое слово.",
    ),
    "unsupported_feature.detokenize": (
        "This engine does not tell which text its tokens stand for.",
        "Этот движок не сообщает, какой текст стоит за его токенами.",
    ),
    "prompt_too_long": (
        "The message takes {tokens:n} {tokens:token|tokens}, but the model's window holds {window:n}. "
        "Shorten it, or give the model a larger window.",
        "Сообщение занимает {tokens:n} {tokens:токен|токена|токенов}, а в окно модели помещается {window:n}. "
        "Сократите его или дайте модели окно побольше.",
    ),
    "template_failed": (
        "The model's chat template refuses this dialogue: {reason}.",
        "Шаблон модели не принимает такой диалог: {reason}.",
    ),
    "model_unavailable": ("The model {model} cannot be used: {reason}.", "Модель {model} не подходит: {reason}."),
    "model_not_found": (
        "There is no model at {model}. Check the path or the name.",
        "По адресу {model} модели нет. Проверьте путь или имя.",
    ),
    "model_broken": (
        "The file {model} is not a usable model: {reason}. Check it, or download it again.",
        "Файл {model} — не годная модель: {reason}. Проверьте его или скачайте заново.",
    ),
    "no_safetensors": (
        "The engine cannot run the model {model}: {reason}.",
        "Движок не умеет работать с моделью {model}: {reason}.",
    ),
    "model_unsupported": (
        "The engine cannot run the model {model}: {reason}.",
        "Движок не умеет работать с моделью {model}: {reason}.",
    ),
    "out_of_memory": (
        "There is not enough memory for {model}: {reason}. Take a smaller model, or a smaller window (--ctx).",
        "Для {model} не хватает памяти: {reason}. Возьмите модель поменьше или окно поменьше (--ctx).",
    ),
    "download_failed": ("{model} could not be downloaded: {reason}.", "Не удалось скачать {model}: {reason}."),
    "engine_failed": ("The engine failed: {reason}.", "Движок отказал: {reason}."),
    "engine_closed": ("The model was unloaded meanwhile.", "Модель тем временем выгрузили."),
    "not_found": ("There is no such {what}.", "Такого здесь нет: {what}."),
    "not_found.account": ("There is no such account.", "Такого человека здесь нет."),
    "not_found.chat": ("There is no such chat, or no longer.", "Такого чата нет — или уже нет."),
    "not_found.message": ("There is no such message, or no longer.", "Такого сообщения нет — или уже нет."),
    "not_found.model": ("There is no such model here.", "Такой модели здесь нет."),
    "not_found.route": ("The API has nothing at this address.", "По этому адресу для программ ничего нет."),
    "not_found.key": ("There is no such key, or no longer.", "Такого ключа нет — или уже нет."),
    "not_found.people": ("There is nobody here yet.", "Здесь пока никого нет."),
    "nothing_to_do": ("There is nothing to do: {reason}.", "Здесь нечего делать: {reason}."),
    "nothing_to_do.empty": ("There is no text yet. Write something first.", "Текста пока нет. Сначала напишите его."),
    "nothing_to_do.no_message": ("This message is no longer there.", "Этого сообщения уже нет."),
    "nothing_to_do.whole": (
        "The model has nothing to add: it ended the reply here.",
        "Модели нечего добавить: она закончила ответ на этом.",
    ),
    "nothing_to_do.no_reply": (
        "Only a reply of the model can be continued.",
        "Продолжить можно только ответ модели.",
    ),
    "owner_only": (
        "Only the owner can do this: it changes something for everybody.",
        "Это может только владелец: меняется что-то для всех.",
    ),
    "bad_name": ("The name “{name}” cannot be used: {reason}.", "Имя «{name}» не подходит: {reason}."),
    "bad_name.empty": ("A name is needed.", "Нужно какое-нибудь название."),
    "bad_name.too_long": ("The name is too long.", "Название слишком длинное."),
    "bad_name.invisible": (
        "The name contains characters that cannot be seen.",
        "В названии есть символы, которых не видно.",
    ),
    "bad_name.taken": ("The name “{name}” is taken. Choose another one.", "Имя «{name}» уже занято. Выберите другое."),
    "bad_password": (
        "A password needs {least} to {most:n} {most:character|characters}.",
        "Пароль должен быть длиной от {least} до {most:n} {most:символа|символов|символов}.",
    ),
    "bad_setting": ("{name}: {reason}", "{name}: {reason}"),
    "preset_broken": ("The preset “{name}” cannot be read: {reason}.", "Пресет «{name}» не читается: {reason}."),
    "preset_exists": ("There is a preset called “{name}” already.", "Пресет «{name}» уже есть."),
    "preset_reserved": (
        "“{name}” comes with Samovar and stays as it is. Choose another name.",
        "«{name}» — пресет из поставки, он не меняется. Выберите другое название.",
    ),
    "preset_not_found": ("There is no preset called “{name}”.", "Пресета «{name}» нет."),
    "window_too_small": (
        "The model's window holds {window:n} {window:token|tokens}, but the system message and the reply need "
        "{needed:n}. Shorten the system message, or ask for shorter replies.",
        "В окно модели помещается {window:n} {window:токен|токена|токенов}, а системному сообщению и ответу нужно "
        "{needed:n}. Сократите системное сообщение или предел длины ответа.",
    ),
    "sign_in_failed": ("Name and password do not match.", "Имя и пароль не подходят друг к другу."),
    "too_many_attempts": (
        "Too many attempts. Try again in {seconds:n} {seconds:second|seconds}.",
        "Слишком много попыток. Попробуйте снова через {seconds:n} {seconds:секунду|секунды|секунд}.",
    ),
    "invitation_invalid": (
        "This invitation is no longer good. Ask the owner for a new one.",
        "Приглашение больше не действует. Попросите у владельца новое.",
    ),
    "chat_busy": (
        "A reply is being written in this chat. Wait for its end, or stop it.",
        "В этом чате пишется ответ. Дождитесь конца или остановите его.",
    ),
    "history_failed": (
        "The chats cannot be read or written: {reason}.",
        "Чаты не читаются или не сохраняются: {reason}.",
    ),
    "database_too_new": (
        "The chats were written by a newer Samovar (version {found}; this one knows {known}). Update Samovar; "
        "the chats are left as they are.",
        "Чаты записаны более новым самоваром (версия {found}; этот знает {known}). Обновите самовар; "
        "чаты остались как были.",
    ),
    "database_broken": (
        "The file with the chats is damaged, or not a file of Samovar's: {reason}. It is left as it is.",
        "Файл с чатами повреждён или создан не самоваром: {reason}. Он остался как был.",
    ),
    "database_unavailable": ("The chats cannot be reached: {reason}.", "До чатов не добраться: {reason}."),
    "storage_full": (
        "There is no room left on the disk: {reason}. Free some, and try again.",
        "На диске кончилось место: {reason}. Освободите его и попробуйте снова.",
    ),
    "no_model": (
        "No model is loaded. Choose one at the top of the page.",
        "Модель не загружена. Выберите её вверху страницы.",
    ),
    "model_loading": (
        "The model {name} is still loading. Please wait a little.",
        "Модель {name} ещё загружается. Подождите немного.",
    ),
    "invalid_body": (
        "The request is not what the API takes; {name}: {problem}.",
        "Запрос не такой, какой нужен; {name}: {problem}.",
    ),
    "unsupported_field": ("“{name}” is not supported: {why}.", "«{name}» не поддерживается: {why}."),
    "wrong_method": (
        "This address takes {allowed} requests, and this is {method}.",
        "По этому адресу принимают запросы {allowed}, а это {method}.",
    ),
    "port_in_use": (
        "The port {port} is taken by another program, perhaps by another Samovar. Take another one: --port NUMBER.",
        "Порт {port} занят другой программой — может быть, другим самоваром. Возьмите другой: --port ЧИСЛО.",
    ),
    "address_unusable": (
        "Samovar cannot serve on {address}, port {port}: {reason}.",
        "Самовар не может работать на {address}, порт {port}: {reason}.",
    ),
    "folder_unusable": (
        "Nothing can be kept in the folder {folder}: {reason}. Take another one: --data-dir FOLDER.",
        "В папке {folder} ничего нельзя сохранить: {reason}. Возьмите другую: --data-dir ПАПКА.",
    ),
    "tunnel_failed": (
        "The public address could not be made: {reason}. Samovar still works at home.",
        "Публичный адрес не получился: {reason}. Дома самовар работает как прежде.",
    ),
}  # fmt: skip
