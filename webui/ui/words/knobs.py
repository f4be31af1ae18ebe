"""The names of the levers and of their groups, and what each lever does, in English and Russian.

Each help says what moves, which way to move it, and what is usual; the rules themselves are in `backends.sampling`.
"""

from __future__ import annotations

from collections.abc import Mapping

GROUPS: Mapping[str, tuple[str, str]] = {
    "basic": ("Basic", "Основные"),
    "truncation": ("Truncation", "Отсечение"),
    "repetition": ("Repetition", "Повторы"),
    "beams": ("Beam search", "Лучевой поиск"),
    "advanced": ("Advanced", "Тонкая настройка"),
    "expert": ("Expert", "Для знатоков"),
}

LABELS: Mapping[str, tuple[str, str]] = {
    "temperature": ("Temperature", "Температура"),
    "top_p": ("Top-p", "Доля вероятности (top-p)"),
    "top_k": ("Top-k", "Число кандидатов (top-k)"),
    "max_tokens": ("Longest reply", "Предел длины ответа"),
    "min_p": ("Min-p", "Порог вероятности (min-p)"),
    "typical_p": ("Typical-p", "Типичность (typical-p)"),
    "top_n_sigma": ("Top-n-sigma", "Отсечение по разбросу (top-nσ)"),
    "xtc_probability": ("XTC probability", "Частота XTC"),
    "xtc_threshold": ("XTC threshold", "Порог XTC"),
    "repeat_penalty": ("Repetition penalty", "Штраф за повторы"),
    "frequency_penalty": ("Frequency penalty", "Штраф за частоту"),
    "presence_penalty": ("Presence penalty", "Штраф за присутствие"),
    "repeat_last_n": ("Penalty window", "Память штрафов"),
    "dry_multiplier": ("DRY strength", "Сила DRY"),
    "dry_base": ("DRY growth", "Рост DRY"),
    "dry_allowed_length": ("DRY free length", "Свободная длина DRY"),
    "dry_last_n": ("DRY window", "Память DRY"),
    "dry_breakers": ("DRY breakers", "Разделители DRY"),
    "no_repeat_ngram_size": ("No repeated n-grams", "Запрет повторных цепочек"),
    "num_beams": ("Number of beams", "Число лучей"),
    "length_penalty": ("Length penalty", "Поправка на длину"),
    "early_stopping": ("When the search stops", "Когда остановить поиск"),
    "dynatemp_range": ("Dynamic temperature", "Динамическая температура"),
    "dynatemp_exponent": ("Dynamic temperature curve", "Кривая динамической температуры"),
    "mirostat": ("Mirostat", "Mirostat"),
    "mirostat_tau": ("Mirostat target (tau)", "Цель Mirostat (τ)"),
    "mirostat_eta": ("Mirostat rate (eta)", "Скорость Mirostat (η)"),
    "seed": ("Seed", "Зерно (seed)"),
    "min_tokens": ("Shortest reply", "Наименьшая длина ответа"),
    "stop": ("Stop texts", "Стоп-строки"),
    "logit_bias": ("Token bias", "Поправки токенов (logit bias)"),
    "banned_tokens": ("Banned tokens", "Запрещённые токены"),
    "sampler_order": ("Order of the steps", "Порядок шагов"),
}

HELP: Mapping[str, tuple[str, str]] = {
    "temperature": (
        "How boldly the next word is chosen. Lower is surer and drier, higher more varied and wilder; 0.7 to 1 is "
        "usual, 0 always takes the most probable word.",
        "Насколько смело выбирается следующее слово. Ниже — увереннее и суше, выше — разнообразнее и непредсказуемее; "
        "обычно 0,7–1, а при 0 всегда берётся самое вероятное слово.",
    ),
    "top_p": (
        "Keeps the most probable words until their probabilities sum to this. Lower is safer; 0.9 to 0.95 is usual, "
        "1 is off.",
        "Оставляет самые вероятные слова, пока их вероятности не сложатся в эту долю. Ниже — осторожнее; "
        "обычно 0,9–0,95, 1 — выключено.",
    ),
    "top_k": (
        "Keeps this many of the most probable words. Lower is safer; 40 is usual, 0 keeps all.",
        "Оставляет столько самых вероятных слов. Меньше — осторожнее; обычно 40, 0 — оставить все.",
    ),
    "max_tokens": (
        "Where a reply ends at the latest, in tokens (a token is about three quarters of a word). 0 lets the model "
        "end by itself.",
        "На каком токене ответ закончится самое позднее (в русском слове обычно два-три токена). При 0 модель "
        "останавливается сама.",
    ),
    "min_p": (
        "Drops words that are this much less probable than the best one. Higher is safer; 0.05 to 0.1 is usual and "
        "goes well with a high temperature, 0 is off.",
        "Отбрасывает слова, которые во столько раз менее вероятны, чем лучшее. Выше — осторожнее; обычно 0,05–0,1, "
        "хорошо сочетается с высокой температурой; 0 — выключено.",
    ),
    "typical_p": (
        "Keeps the words that are about as surprising as the model expects here. Lower is stricter; 0.9 to 0.95 is "
        "usual, 1 is off.",
        "Оставляет слова, неожиданные примерно настолько, насколько модель здесь и ждёт. Ниже — строже; "
        "обычно 0,9–0,95, 1 — выключено.",
    ),
    "top_n_sigma": (
        "Drops words that lie further below the best one than this many standard deviations. Lower is stricter and "
        "keeps sense even at a high temperature; 1 is usual, 0 is off.",
        "Отбрасывает слова, отставшие от лучшего больше чем на столько стандартных отклонений. Ниже — строже, смысл "
        "держится и при высокой температуре; обычно 1, 0 — выключено.",
    ),
    "xtc_probability": (
        "How often the most obvious words are left out, so that the text takes an unexpected turn. Higher is more "
        "inventive; 0.5 is usual for stories, 0 is off.",
        "Как часто самые очевидные слова пропускаются, чтобы текст свернул куда-нибудь неожиданно. Выше — "
        "изобретательнее; для рассказов обычно 0,5, 0 — выключено.",
    ),
    "xtc_threshold": (
        "From which probability on a word counts as obvious for XTC. Lower leaves out more words; 0.1 is usual, "
        "0.5 switches XTC off.",
        "С какой вероятности слово считается для XTC очевидным. Ниже — пропускается больше слов; обычно 0,1, "
        "при 0,5 XTC не действует.",
    ),
    "repeat_penalty": (
        "Makes words that were used lately less probable. Move it up a little when the model repeats itself; 1.05 to "
        "1.15 is usual, 1 is off.",
        "Делает недавние слова менее вероятными. Прибавьте немного, если модель повторяется; обычно 1,05–1,15, "
        "1 — выключено.",
    ),
    "frequency_penalty": (
        "The more often a word was used lately, the less probable it becomes. Higher repeats less; 0.1 to 0.5 is "
        "usual, 0 is off, below 0 it asks for repetition.",
        "Чем чаще слово встречалось недавно, тем менее вероятным становится. Выше — меньше повторов; обычно 0,1–0,5, "
        "0 — выключено, ниже нуля повторы поощряются.",
    ),
    "presence_penalty": (
        "Makes a word less probable once it was used at all, however often. Higher brings new subjects; 0.1 to 0.5 is "
        "usual, 0 is off.",
        "Делает слово менее вероятным, если оно уже встречалось, сколько бы раз ни было. Выше — больше новых тем; "
        "обычно 0,1–0,5, 0 — выключено.",
    ),
    "repeat_last_n": (
        "How many of the last tokens the three penalties look at. 64 is usual; 0 looks at none, -1 at the whole "
        "window.",
        "На сколько последних токенов смотрят три штрафа. Обычно 64; 0 — ни на один, -1 — на всё окно.",
    ),
    "dry_multiplier": (
        "Keeps the model from saying whole phrases again, and leaves single words alone. Higher is stricter; 0.8 is "
        "usual, 0 is off.",
        "Не даёт повторять целые фразы, а отдельные слова не трогает. Выше — строже; обычно 0,8, 0 — выключено.",
    ),
    "dry_base": (
        "How fast DRY's penalty grows with the length of the repeated phrase. 1.75 is usual.",
        "Как быстро растёт штраф DRY с длиной повторённой фразы. Обычно 1,75.",
    ),
    "dry_allowed_length": (
        "Phrases up to this many tokens may be repeated without a penalty of DRY. Raise it when names and set phrases "
        "suffer; 2 is usual.",
        "Фразы до стольких токенов DRY повторять разрешает. Прибавьте, если страдают имена и устойчивые выражения; "
        "обычно 2.",
    ),
    "dry_last_n": (
        "How many of the last tokens DRY looks at. -1 is the whole window and usual, 0 none.",
        "На сколько последних токенов смотрит DRY. Обычно -1, то есть всё окно; 0 — ни на один.",
    ),
    "dry_breakers": (
        "Texts at which DRY begins to compare anew, one in each line, so that lists and dialogues keep their form. "
        "Normally left alone.",
        "Тексты, на которых DRY начинает сравнивать заново, по одному в строке: так списки и диалоги не теряют "
        "формы. Обычно их не трогают.",
    ),
    "no_repeat_ngram_size": (
        "No sequence of so many tokens may come twice, your messages included. 3 or 4 ends every loop, and soon "
        "forbids names and phrases that are needed; 0 is off and usual.",
        "Ни одна цепочка из стольких токенов не повторится, считая и ваши сообщения. При 3–4 зацикливание исчезает, "
        "но вскоре под запретом оказываются и нужные имена и обороты; обычно 0 — выключено.",
    ),
    "num_beams": (
        "Instead of choosing word by word, follows this many replies at once and keeps the most probable one. Nothing "
        "is left to chance: temperature and the cuts do not matter then, the penalties do. Each beam costs time; 4 is "
        "usual, 1 is off.",
        "Вместо выбора слова за словом ведёт столько вариантов ответа сразу и оставляет самый вероятный. Случая здесь "
        "нет: температура и отсечения тогда ни на что не влияют, а штрафы действуют. Каждый луч стоит времени; "
        "обычно 4, 1 — выключено.",
    ),
    "length_penalty": (
        "How beam search compares replies of different length. Above 1 favours longer replies, below 1 shorter ones; "
        "1 is usual and 0 takes the plain probability.",
        "Как лучевой поиск сравнивает ответы разной длины. Больше 1 — в пользу длинных, меньше — в пользу коротких; "
        "обычно 1, а при 0 берётся просто вероятность.",
    ),
    "early_stopping": (
        "When beam search has seen enough. 0 stops when no beam is likely to become better than the replies found, and "
        "is usual; 1 takes the first replies that are whole, which is fastest; 2 goes on until none can be better.",
        "Когда лучевому поиску хватит. 0 — когда лучше найденного уже вряд ли будет (обычно так); 1 — взять первые "
        "же законченные ответы, это быстрее всего; 2 — искать, пока лучшее ещё возможно.",
    ),
    "dynatemp_range": (
        "Lets the temperature move by this much: down where the model is sure, up where many words fit. 0.2 to 0.5 is "
        "usual, 0 is off.",
        "Насколько температура может гулять: ниже, где модель уверена, выше, где подходит многое. Обычно 0,2–0,5, "
        "0 — выключено.",
    ),
    "dynatemp_exponent": (
        "How the dynamic temperature follows the model's doubt. 1 is usual; above 1 it rises late, below 1 early.",
        "Как динамическая температура следует за сомнениями модели. Обычно 1; больше — растёт поздно, меньше — рано.",
    ),
    "mirostat": (
        "Holds the text at one level of surprise by itself, instead of top-k, top-p and the other cuts. 0 is off, "
        "2 is the simpler and usual version.",
        "Сам держит текст на одном уровне неожиданности вместо top-k, top-p и прочих отсечений. 0 — выключен, "
        "2 — версия попроще, её обычно и берут.",
    ),
    "mirostat_tau": (
        "The level of surprise that mirostat holds. Lower is more even, higher more varied; 5 is usual.",
        "Уровень неожиданности, который держит Mirostat. Ниже — ровнее, выше — разнообразнее; обычно 5.",
    ),
    "mirostat_eta": (
        "How fast mirostat corrects itself. 0.1 is usual.",
        "Как быстро Mirostat поправляет себя. Обычно 0,1.",
    ),
    "seed": (
        "The number from which chance starts: the same seed, dialogue and levers give the same reply again. "
        "-1 takes a new one each time.",
        "Число, с которого начинается случайность: то же зерно, тот же диалог и те же рычаги дадут тот же ответ. "
        "-1 — каждый раз новое.",
    ),
    "min_tokens": (
        "The reply may not end before this many tokens. Raise it when replies are too short; 0 is usual.",
        "Раньше этого числа токенов ответ не закончится. Прибавьте, если ответы слишком короткие; обычно 0.",
    ),
    "stop": (
        "Texts that end the reply as soon as they are written, one in each line; they are not shown. Normally empty.",
        "Строки, на которых ответ обрывается, по одной в строке; сами они не показываются. Обычно пусто.",
    ),
    "logit_bias": (
        "Makes single tokens more probable (above 0) or less (below 0): the token's number and -100 to 100. "
        "Normally empty.",
        "Делает отдельные токены вероятнее (больше 0) или наоборот (меньше 0): номер токена и число от -100 до 100. "
        "Обычно пусто.",
    ),
    "banned_tokens": (
        "Numbers of tokens that are never written. Normally empty.",
        "Номера токенов, которые никогда не пишутся. Обычно пусто.",
    ),
    "sampler_order": (
        "In which order the cuts and the temperature are applied; a step that is left out is not run. Normally left "
        "alone: temperature comes last.",
        "В каком порядке идут отсечения и температура; убранный шаг не выполняется. Обычно не трогают: температура — "
        "последней.",
    ),
}  # fmt: skip
