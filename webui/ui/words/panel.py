"""What the page says of the model, the presets and the levers, in English and Russian; see `page` for the places."""

from __future__ import annotations

from collections.abc import Mapping

PANEL: Mapping[str, tuple[str, str]] = {
    "model.title": ("Model", "Модель"),
    "model.none": ("No model", "Нет модели"),
    "model.loading": ("Loading…", "Загружается…"),
    "model.downloading": ("Downloading…", "Скачивается…"),
    "model.progress": ("{percent}%", "{percent} %"),
    "model.ready": ("Ready", "Готова"),
    "model.failed": ("The model could not be loaded", "Модель не загрузилась"),
    "model.window": ("Window of {window} {window:token|tokens}", "Окно: {window} {window:токен|токена|токенов}"),
    "model.trained": (
        "It was trained for {window} {window:token|tokens}",
        "Обучена на окне в {window} {window:токен|токена|токенов}",
    ),
    "model.template": ("Chat template: {template}", "Шаблон диалога: {template}"),
    "model.quantization": ("Quantization: {quantization}", "Квантование: {quantization}"),
    "model.size": ("{size} GB", "{size} ГБ"),
    "model.broken": ("This file is damaged or not whole", "Файл повреждён или скачан не до конца"),
    "model.switch": ("Switch the model", "Сменить модель"),
    "model.local": ("Models on this computer", "Модели на этом компьютере"),
    "model.local.empty": ("There are none yet.", "Пока ни одной."),
    "model.path": (
        "A GGUF file, a folder, a name on the hub such as user/repo:Q4_K_M, or the address of an engine",
        "Файл GGUF, папка, имя на хабе вида user/repo:Q4_K_M или адрес движка",
    ),
    "model.load": ("Load", "Загрузить"),
    "model.owner_only": ("Only the owner can switch the model.", "Сменить модель может только владелец."),
    "preset.title": ("Preset", "Пресет"),
    "preset.none": ("No preset", "Без пресета"),
    "preset.changed": ("changed", "изменён"),
    "preset.save": ("Save as a preset", "Сохранить как пресет"),
    "preset.name": ("Name of the preset", "Название пресета"),
    "preset.rename": ("Rename the preset", "Переименовать пресет"),
    "preset.delete": ("Delete the preset", "Удалить пресет"),
    "preset.delete.sure": ("Delete the preset “{name}”?", "Удалить пресет «{name}»?"),
    "preset.overwrite": (
        "There is a preset with this name. Overwrite it?",
        "Пресет с таким названием уже есть. Заменить его?",
    ),
    "preset.shipped": ("That come with Samovar", "Из поставки"),
    "preset.own": ("Your own", "Ваши"),
    "levers.title": ("Levers", "Рычаги"),
    "levers.neutral": ("Neutralize", "В нейтраль"),
    "levers.neutral.title": (
        "Set every lever to the value at which it changes nothing.",
        "Поставить каждый рычаг в положение, в котором он ничего не меняет.",
    ),
    "levers.system": ("System message", "Системное сообщение"),
    "levers.system.help": (
        "What the model is told before the dialogue: who it is, how it should speak. It always stays in the window.",
        "Что модель узнаёт до разговора: кто она и как ей говорить. Всегда остаётся в окне.",
    ),
    "levers.start_with": ("Start reply with", "Начать ответ с"),
    "levers.start_with.help": (
        "Every new reply begins with these words, and the model goes on from them.",
        "Каждый новый ответ начнётся с этих слов, а модель продолжит.",
    ),
    "levers.more": ("More", "Ещё"),
    "levers.less": ("Less", "Свернуть"),
    "levers.reset": ("Back to neutral", "Вернуть в нейтраль"),
    "levers.unsupported": ("This engine has no such lever.", "У этого движка такого рычага нет."),
    "levers.range": ("Allowed: {minimum} to {maximum}", "Можно от {minimum} до {maximum}"),
    "levers.on": ("on", "включён"),
    "levers.off": ("off", "выключен"),
}  # fmt: skip
