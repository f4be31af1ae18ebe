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
    "model.broken": ("This file is damaged or not whole", "Файл повреждён или скачан не до конца"),
    "model.switch": ("Switch the model", "Сменить модель"),
    "model.local": ("Models on this computer", "Модели на этом компьютере"),
    "model.other": ("Another model", "Другая модель"),
    "model.path": ("File, folder or name on the hub", "Файл, папка или имя на хабе"),
    "model.path.help": (
        "A GGUF file, a folder with one, or a name on the hub such as user/repo:Q4_K_M. The chats stay as they are.",
        "Файл GGUF, папка с ним или имя на хабе вида user/repo:Q4_K_M. Чаты останутся как есть.",
    ),
    "model.load": ("Load", "Загрузить"),
    "preset.title": ("Preset", "Пресет"),
    "preset.none": ("No preset", "Без пресета"),
    "preset.changed": ("changed", "изменён"),
    "preset.save": ("Save", "Сохранить"),
    "preset.name": ("Save as a preset…", "Сохранить как пресет…"),
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
    "levers.moved": (
        "{count} {count:lever is|levers are} not in neutral",
        "{count} {count:рычаг|рычага|рычагов} не в нейтрали",
    ),
    "knob.reset": ("Back to neutral", "Вернуть в нейтраль"),
    "order.up": ("Run this step earlier", "Выполнять этот шаг раньше"),
    "order.down": ("Run this step later", "Выполнять этот шаг позже"),
    "levers.unsupported": ("This engine has no such lever.", "У этого движка такого рычага нет."),
}  # fmt: skip
