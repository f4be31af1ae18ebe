"""Reasons in Russian: what a part of the house says in English inside an error. Places stand for what changes.

What is not here, such as the words of the system or of llama.cpp, is shown as it came.
"""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "it is not a GGUF file": "это не файл GGUF",
    "it is empty": "он пуст",
    "it is only a pointer of Git LFS, not the file itself": "это только указатель Git LFS, а не сам файл",
    "it is cut short: {missing} of its {size} bytes are missing": "не хватает {missing} байт из {size}",
    "it is cut short: it ends within its header, after {size} bytes": "обрыв посреди заголовка, на {size} байтах",
    "it is made for big-endian machines": "файл сделан для машин с обратным порядком байтов",
    "GGUF version {version} is not known": "версия GGUF {version} неизвестна",
    "it is no model by itself ({kind})": "сам по себе это не файл модели ({kind})",
    "its part {name} is missing": "нет части {name}",
    "it holds no weights": "в файле нет весов",
    "it has no GGUF file": "в ней нет файлов GGUF",
    "it needs {size} GB, and {free} GB are free on the disk": "нужно {size} ГБ, а на диске свободно {free} ГБ",
    "the hub does not tell the size of {name}": "хаб не сообщает размер {name}",
    "its terms must be accepted first, on its page on the hub; then set HF_TOKEN": (
        "сначала примите её условия на её странице на хабе и задайте HF_TOKEN"
    ),
    "the hub has disabled it": "хаб её отключил",
    "the hub has no such model, or it is private; then set HF_TOKEN": (
        "такой модели на хабе нет, или она закрыта — тогда задайте HF_TOKEN"
    ),
    "the hub refuses it; HF_TOKEN may be wrong or lack the right": (
        "хаб её не отдаёт; возможно, HF_TOKEN неверен или без нужных прав"
    ),
    "the hub asks to wait: too many requests": "хаб просит подождать: слишком много запросов",
    "the hub answered with error {status}": "хаб ответил ошибкой {status}",
    "HF_HUB_OFFLINE forbids the network": "HF_HUB_OFFLINE запрещает выход в сеть",
    "the hub could not be reached": "хаб недоступен",
    "the connection was cut again and again": "связь обрывалась снова и снова",
    "its checksum is not the expected one": "контрольная сумма не та, что ожидалась",
    "the package arrived broken": "пакет пришёл повреждённым",
    "the package does not hold the model": "в пакете нет модели",
    "nothing answers there": "там никто не отвечает",
    "it answers too slowly": "он отвечает слишком медленно",
    "what answers there does not speak OpenAI's API": "то, что там отвечает, не говорит на языке OpenAI",
    "it wants a key, or another one: set SAMOVAR_API_KEY": "нужен ключ — или другой ключ: задайте SAMOVAR_API_KEY",
    "its key holds characters that no key has": "в ключе для него есть знаки, которых в ключах не бывает",
    "the file with its key cannot be read: {said}": "файл с ключом для него не читается: {said}",
    "error {status}": "ошибка {status}",
    "nothing answers at {root}": "по адресу {root} никто не отвечает",
    "the engine at {root} says nothing for too long": "движок по адресу {root} слишком долго молчит",
    "the engine at {root} broke off in the middle of the reply": "движок по адресу {root} оборвался посреди ответа",
    "the engine at {root} broke off": "движок по адресу {root} оборвал связь",
    "the engine at {root} has too much to do": "движок по адресу {root} слишком занят",
    "the engine at {root} sent what cannot be read": "движок по адресу {root} прислал то, чего не понять",
    "the engine at {root} answered with error {status}: {said}": (
        "движок по адресу {root} ответил ошибкой {status}: {said}"
    ),
    "the engine at {root} answered with error {status}": "движок по адресу {root} ответил ошибкой {status}",
    "{name} could not be loaded: {error}": "{name} не загружается: {error}",
    "it cannot be compiled: {error}": "он не разбирается: {error}",
    "it tries what a template may not: {error}": "он пытается делать то, что шаблону нельзя: {error}",
    "it takes too much: {error}": "ему нужно слишком много: {error}",
    "the model computed no numbers": "модель насчитала не числа",
    "no token is left": "не осталось ни одного токена",
    "it brings program code of its own, which is only run if you allow it for this model": (
        "к ней приложен программный код, а он выполняется, только если вы разрешите это для этой модели"
    ),
    "it has no safetensors": "в ней нет файлов safetensors",
    "it does not write on, it translates (encoder and decoder)": (
        "она не продолжает текст, а переводит (кодировщик и декодировщик)"
    ),
    "its weights are pickled, which could run any program; only safetensors and GGUF are read": (
        "её веса в формате pickle, а он может запустить что угодно; читаются только safetensors и GGUF"
    ),
    "its config.json is missing": "нет файла config.json",
    "{count} of its weights are missing, such as {name}": "не хватает весов: {count}, например {name}",
    "{kind} is of a kind that is not run here": "модели вида {kind} здесь не запускаются",
    "it leaves out a message": "он пропускает реплику",
    "it leaves out the last message": "он пропускает последнюю реплику",
    "it opens no reply": "он не открывает ответ",
    "the roles must alternate": "реплики должны чередоваться",
    "there is no system role": "системной роли нет",
    "it does not come to an end": "он не может закончить",
    "it writes without end": "он пишет без конца",
    "the package index could not be reached": "каталог пакетов недоступен",
    "the preset cannot be written ({error})": "пресет не записать ({error})",
    "pip gave no reason": "pip не назвал причины",
    "llama.cpp gave no reason": "llama.cpp не назвал причины",
    "its header is damaged": "заголовок повреждён",
    "it changed while it was read": "он изменился, пока его читали",
    "it does not write text": "она не для текста",
    "the file holds no tokenizer": "в файле нет токенизатора",
    "llama.cpp could not decode": "llama.cpp не справился с вычислением",
    "the KV cache is full": "память контекста заполнена",
    "the generation ended without a word": "движок замолчал, ничего не сказав",
    "another program's table is in the way: {table}": "мешает таблица другой программы: {table}",
    "the tunnel gave no address but {url}": "туннель дал не адрес, а {url}",
    "the engine {name} is not installed; the model panel has the command": (
        "движок {name} не установлен; нужная команда — в окне выбора модели"
    ),
    "{name} is not what it should be": "{name} — не то, что нужно",
    "{name} is not a number": "{name} — не число",
    "{name} is not a text": "{name} — не текст",
    "the levers are missing": "не переданы рычаги",
    "no such act": "такого действия нет",
    "no model is named": "модель не названа",
    "token ids": "номера токенов",
    "texts that are not empty": "непустые тексты",
    "{least} and more": "от {least}",
    "0, or {least} and more": "0 или от {least}",
    "0, or {least} … {most}": "0 или {least} … {most}",
    "pairs of token id and {range}": "пары из номера токена и числа {range}",
    "Permission denied": "нет доступа",
    "Is a directory": "это папка",
    "No such file or directory": "такого файла нет",
    "No space left on device": "на диске нет места",
    "Cannot assign requested address": "у этого компьютера нет такого адреса",
    "Name or service not known": "такое имя неизвестно",
    "Connection refused": "соединение отклонено",
    "database is locked": "база занята другой программой",
    "database or disk is full": "на диске нет места",
    "file is not a database": "это не база данных",
    "disk I/O error": "ошибка чтения или записи на диск",
    "attempt to write a readonly database": "база открыта только для чтения",
    "unable to open database file": "файл базы не открывается",
}

UNSAID = ("the reason is not known", "причина неизвестна")
"""What stands for a reason that is empty."""
