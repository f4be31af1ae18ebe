"""What the page says of the model, the presets and the levers, in English and Russian; see `page` for the places."""

from __future__ import annotations

from collections.abc import Mapping

PANEL: Mapping[str, tuple[str, str]] = {
    "model.title": ("Model", "Модель"),
    "model.none": ("No model", "Нет модели"),
    "model.loading": ("Loading… {percent}%", "Загружается… {percent} %"),
    "model.resolving": ("Looking for it…", "Ищется…"),
    "model.downloading": ("Downloading… {percent}%", "Скачивается… {percent} %"),
    "model.ready": ("Ready", "Готова"),
    "model.failed": ("The model could not be loaded", "Модель не загрузилась"),
    "model.window": ("Window", "Окно"),
    "model.trained": ("Trained for", "Обучена на окне"),
    "model.tokens": ("{tokens} {tokens:token|tokens}", "{tokens} {tokens:токен|токена|токенов}"),
    "model.quantization": ("Quantization", "Квантование"),
    "model.template": ("Chat template", "Шаблон диалога"),
    "model.template.own": ("the model's own", "собственный шаблон модели"),
    "model.template.engine": ("the engine's own", "собственный шаблон движка"),
    "model.broken": ("This file is damaged or not whole", "Файл повреждён или скачан не до конца"),
    "model.stays": ("“{name}” stays loaded.", "По-прежнему загружена «{name}»."),
    "model.unload": ("Unload", "Выгрузить"),
    "model.peers": ("Who answers", "Кто отвечает"),
    "model.peer.lost": ("does not answer", "не отвечает"),
    "model.peer.busy": ("{running} at work", "в работе: {running}"),
    "model.counts": ("Counts of tokens", "Подсчёт токенов"),
    "model.counts.estimate": ("an estimate", "приблизительный"),
    "model.local": ("On this computer", "На этом компьютере"),
    "model.window.short": ("window {tokens}", "окно {tokens}"),
    "model.engines": ("Engines on the network", "Движки в сети"),
    "model.forget": ("Forget this engine", "Забыть этот движок"),
    "model.other": ("Another model", "Другая модель"),
    "model.path": ("File, folder, name on the hub or address", "Файл, папка, имя на хабе или адрес"),
    "model.path.help": (
        "A GGUF file, a folder of safetensors, a name on the hub such as user/repo:Q4_K_M, or the address of an "
        "engine; several addresses apart by commas. The chats stay as they are.",
        "Файл GGUF, папка с safetensors, имя на хабе вида user/repo:Q4_K_M или адрес движка; несколько адресов — "
        "через запятую. Чаты останутся как есть.",
    ),
    "model.load": ("Load", "Загрузить"),
    "model.fetch": ("Download and load", "Скачать и загрузить"),
    "model.engine": ("Engine", "Движок"),
    "model.engine.auto": ("Auto: {name}", "Сам выберет: {name}"),
    "model.engine.remote": ("over the network", "по сети"),
    "model.remote.help": (
        "What is said goes to this engine. Its key, if it wants one, is read from the variable SAMOVAR_API_KEY or from "
        "a file that SAMOVAR_API_KEY_FILE names. Of several engines the least busy one is asked.",
        "Все разговоры пойдут через этот движок. Если ему нужен ключ, он берётся из переменной SAMOVAR_API_KEY или из "
        "файла, который называет SAMOVAR_API_KEY_FILE. Из нескольких движков отвечает наименее занятый.",
    ),
    "model.cannot.format": ("{name} reads only GGUF files.", "{name} читает только файлы GGUF."),
    "model.cannot.missing": ("{name} is not installed yet:", "{name} пока не установлен:"),
    "model.weights": ("Weights", "Веса"),
    "model.weights.auto": ("Auto: {name}", "Сам выберет: {name}"),
    "model.weights.any": ("Auto", "Сам выберет"),
    "model.weights.float32": ("32 bits", "32 бита"),
    "model.weights.bfloat16": ("16 bits (bfloat16)", "16 бит (bfloat16)"),
    "model.weights.float16": ("16 bits (float16)", "16 бит (float16)"),
    "model.weights.int8": ("8 bits", "8 бит"),
    "model.weights.int4": ("4 bits", "4 бита"),
    "model.weights.later": (
        "How much memory it takes is known once it is downloaded.",
        "Сколько памяти займёт модель, станет известно после скачивания.",
    ),
    "model.few_bits": (
        "For 8 and 4 bits an Nvidia card and the package bitsandbytes are needed.",
        "Для 8 и 4 бит нужны видеокарта Nvidia и пакет bitsandbytes.",
    ),
    "model.takes": ("about {size}", "около {size}"),
    "model.takes.memory": ("Takes about {size} of memory", "Займёт около {size} памяти"),
    "model.tight": ("does not fit, {free} are free", "не поместится: свободно {free}"),
    "model.device": ("Device", "Устройство"),
    "model.device.auto": ("Auto", "Выбрать само"),
    "model.device.cpu": ("Processor", "Процессор"),
    "model.device.free": ("{name}, {free} free", "{name}, свободно {free}"),
    "model.code": ("Run the program code that comes with this model", "Выполнять код, приложенный к этой модели"),
    "model.code.help": (
        "It can do on this computer whatever you can. Allow it only if you trust whoever made the model.",
        "Он сможет на этом компьютере всё, что можете вы. Разрешайте, только если доверяете авторам модели.",
    ),
    "model.more": ("More", "Подробнее"),
    "model.more.ctx": ("Window in tokens", "Окно в токенах"),
    "model.more.threads": ("Processor threads", "Потоки процессора"),
    "model.more.gpu_layers": ("Layers on the GPU", "Слои на видеокарте"),
    "model.auto": ("auto {value}", "авто {value}"),
    "preset.title": ("Preset", "Пресет"),
    "preset.none": ("No preset", "Без пресета"),
    "preset.changed": ("changed", "изменён"),
    "preset.save": ("Save", "Сохранить"),
    "preset.name": ("Save as a preset…", "Имя пресета…"),
    "preset.rename": ("Rename the preset", "Переименовать пресет"),
    "preset.delete": ("Delete the preset", "Удалить пресет"),
    "preset.saved": ("Saved as “{name}”.", "Сохранено как «{name}»."),
    "preset.delete.ask": ("Delete the preset “{name}”?", "Удалить пресет «{name}»?"),
    "preset.overwrite": (
        "There is a preset “{name}” already. Overwrite it?",
        "Пресет «{name}» уже есть. Заменить его?",
    ),
    "confirm.overwrite": ("Overwrite", "Заменить"),
    "preset.shipped": ("Ready-made", "Готовые"),
    "preset.own": ("Your own", "Ваши"),
    "levers.title": ("Levers", "Рычаги"),
    "levers.neutral": ("Neutral", "Нейтраль"),
    "levers.neutral.title": (
        "Set every lever to the value at which it changes nothing.",
        "Поставить каждый рычаг в положение, в котором он ничего не меняет.",
    ),
    "levers.system": ("System message", "Системное сообщение"),
    "levers.system.help": (
        "What the model is told before the dialogue: who it is, how it should speak. It always stays in the window.",
        "Что модель узнаёт до разговора: кто она и как ей говорить. Всегда остаётся в окне.",
    ),
    "levers.system.placeholder": (
        "You are a friendly helper. Answer briefly.",
        "Ты — дружелюбный помощник. Отвечай коротко.",
    ),
    "levers.start_with": ("Start reply with", "Начать ответ с"),
    "levers.start_with.help": (
        "Every new reply begins with these words, and the model goes on from them.",
        "Каждый новый ответ начнётся с этих слов, а модель продолжит.",
    ),
    "levers.start_with.placeholder": ("Of course! Here is", "Конечно! Вот"),
    "levers.alternatives": ("Alternatives kept", "Сколько вариантов хранить"),
    "levers.alternatives.help": (
        "How many words that could have stood in its place are kept with each word of a reply, with their "
        "probabilities. They change nothing in the reply. Small models lose a twentieth of their speed, large ones "
        "hardly any; 0 keeps none.",
        "Сколько слов, которые могли бы стоять на этом месте, хранится с каждым словом ответа вместе с вероятностями. "
        "На сам ответ они не влияют; маленькие модели теряют на этом двадцатую долю скорости, большие — почти ничего. "
        "0 — не хранить.",
    ),
    "levers.moved": (
        "{count} {count:lever is|levers are} not in neutral",
        "{count} {count:рычаг|рычага|рычагов} не в нейтрали",
    ),
    "knob.reset": ("Back to neutral", "Вернуть в нейтраль"),
    "order.up": ("Run this step earlier", "Выполнять этот шаг раньше"),
    "order.down": ("Run this step later", "Выполнять этот шаг позже"),
    "levers.unsupported": ("This engine has no such lever.", "У этого движка такого рычага нет."),
}  # fmt: skip
