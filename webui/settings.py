"""Every setting in one table: the fields of `Settings`, each with its flag, environment variable and help.

A flag wins over the environment variable `SAMOVAR_<NAME>`, and that over the default. Settings are read once and
passed down. Only the standard library is used here, so that `--help` works before anything is installed.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui.flags import Kind, Option, help_lines, read
from webui.surroundings import Language, default_data_dir, language

_LOOPBACK = "127.0.0.1"
_EVERYWHERE = "0.0.0.0"
_DATA_DIR_HELP = (
    "Where chats, models and presets are kept; normally the user's own data folder.",
    "Где лежат чаты, модели и пресеты; обычно папка данных пользователя.",
)


def _option(default: Any, kind: Kind, metavar: str, en: str, ru: str, *, secret: bool = False, **limits: Any) -> Any:
    option = Option(kind, metavar, (en, ru), **limits)
    return dataclasses.field(default=default, repr=not secret, metadata={"option": option})


@dataclass(frozen=True, slots=True)
class Settings:
    """What `serve` was asked to do. Sizes are in tokens or pieces; an empty text means "decide for me"."""

    data_dir: Path = dataclasses.field(metadata={"option": Option("path", "FOLDER", _DATA_DIR_HELP)})
    host: str = _option(
        _LOOPBACK, "host", "ADDRESS", "The address to serve on.", "Адрес, на котором работает сервер."
    )  # fmt: skip
    port: int = _option(
        7860, "int", "NUMBER", "The port; 0 takes any free one.", "Порт; 0 — любой свободный.", most=65535
    )  # fmt: skip
    listen: bool = _option(
        False, "switch", "",
        "Serve the home network too: everyone signs in, guests by invitation.",
        "Открыть для домашней сети: все входят под своим именем, гости — по приглашению.",
    )  # fmt: skip
    share: bool = _option(
        False, "switch", "",
        "Make a public address through Gradio's tunnel; everyone signs in.",
        "Сделать публичный адрес через туннель Gradio; все входят под своим именем.",
    )  # fmt: skip
    password: str = _option(
        "", "text", "TEXT",
        "The owner's password for --listen and --share; the variable is safer. Without it one is made and printed.",
        "Пароль владельца для --listen и --share; в переменной надёжнее. Если не задан, будет придуман и показан.",
        secret=True,
    )  # fmt: skip
    allowed_host: tuple[str, ...] = _option(
        (), "texts", "NAME",
        "One more name by which browsers may reach this server; may be repeated (in the variable: commas).",
        "Ещё одно имя, по которому браузеры обращаются к серверу; можно повторять (в переменной — через запятую).",
    )  # fmt: skip
    model: str = _option(
        "", "text", "MODEL",
        "A GGUF file, a folder, a hub id such as user/repo:Q4_K_M, or the URL of an OpenAI-compatible engine.",
        "Файл GGUF, папка, имя на хабе вида user/repo:Q4_K_M или URL движка, совместимого с OpenAI.",
    )  # fmt: skip
    backend: str = _option(
        "", "text", "NAME",
        "The engine that runs the model; normally chosen by the model.",
        "Движок, на котором работает модель; обычно выбирается по модели.",
    )  # fmt: skip
    template: str = _option(
        "", "text", "NAME",
        "The chat template to use instead of the model's own, such as chatml or plain.",
        "Шаблон диалога вместо собственного шаблона модели, например chatml или plain.",
    )  # fmt: skip
    ctx: int = _option(
        0, "int", "TOKENS",
        "The size of the window in tokens; 0 takes what the model was trained for and the memory holds.",
        "Размер окна в токенах; 0 — сколько умеет модель и вмещает память.",
        least=256, most=16_777_216, also=(0,),
    )  # fmt: skip
    threads: int = _option(
        0, "int", "NUMBER",
        "Processor threads for the engine; 0 takes one for each core.",
        "Сколько потоков процессора занимает движок; 0 — по одному на ядро.",
        most=1024,
    )  # fmt: skip
    gpu_layers: int = _option(
        -1, "int", "NUMBER",
        "How many layers go to the GPU; -1 decides by itself.",
        "Сколько слоёв отдать видеокарте; -1 — решить самому.",
        most=10_000, also=(-1,),
    )  # fmt: skip
    dtype: str = _option(
        "", "text", "NAME",
        "The numbers of the weights with transformers: float32, bfloat16, float16, int8, int4; normally what fits.",
        "Числа, в которых transformers держит веса: float32, bfloat16, float16, int8, int4; обычно что подходит.",
    )  # fmt: skip
    device: str = _option(
        "", "text", "NAME",
        "The device for transformers: cpu, cuda, mps, xpu; normally the fastest that there is.",
        "Устройство для transformers: cpu, cuda, mps, xpu; обычно самое быстрое из имеющихся.",
    )  # fmt: skip
    parallel: int = _option(
        4, "int", "NUMBER",
        "How many replies are written at the same time.",
        "Сколько ответов пишется одновременно.",
        least=1, most=256,
    )  # fmt: skip
    park_mb: int = _option(
        512, "int", "MB",
        "Memory in megabytes for chats that give way to others and go on at once later; 0 keeps none.",
        "Память в мегабайтах для чатов, которые уступают место другим и потом сразу продолжаются; 0 — не хранить.",
        most=1_048_576,
    )  # fmt: skip
    keep_warm: int = _option(
        0, "int", "MB",
        "Megabytes on disk for chats that go on at once after a restart; 0 keeps none.",
        "Мегабайты на диске для чатов, которые сразу продолжаются и после перезапуска; 0 — не хранить.",
        most=1_048_576,
    )  # fmt: skip
    no_shift: bool = _option(
        False, "switch", "",
        "Read the rest of a long chat anew when its first messages leave the window, instead of moving it up.",
        "Перечитывать остаток длинного чата, когда первые сообщения выходят из окна, а не сдвигать его.",
    )  # fmt: skip
    draft: int = _option(
        0, "int", "TOKENS",
        "Guess up to this many tokens ahead from what the chat holds: faster where replies quote; 0 guesses none.",
        "Угадывать до стольких токенов вперёд по тексту чата: быстрее, когда ответы цитируют; 0 — не угадывать.",
        most=32,
    )  # fmt: skip
    exact: bool = _option(
        False, "switch", "",
        "The same request gives the same text to the letter, whoever writes beside it; slower, and takes more memory.",
        "Один и тот же запрос даёт один и тот же текст до буквы, кто бы ни писал рядом; медленнее и требует памяти.",
    )  # fmt: skip
    no_browser: bool = _option(
        False, "switch", "", "Do not open the browser.", "Не открывать браузер."
    )  # fmt: skip
    database_url: str = _option(
        "", "url", "URL",
        "Keep the chats in another database (any SQLAlchemy URL) instead of a file in the data folder.",
        "Хранить чаты в другой базе (любой URL SQLAlchemy), а не в файле в папке данных.",
        secret=True,
    )  # fmt: skip

    @classmethod
    def from_args(cls, argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
        """Read flags and environment. Raises `BadSetting`, its reason in the language of `environ`."""
        given = read(options(), argv, environ, language(environ))
        return cls(**{"data_dir": default_data_dir(environ), **given})

    @property
    def address(self) -> str:
        """The address to bind: `host`, or every one when `listen` leaves it open."""
        return _EVERYWHERE if self.listen and self.host == _LOOPBACK else self.host

    @property
    def sign_in(self) -> bool:
        """Whether everyone must sign in: always when others than this machine can reach the server."""
        return self.share or not _is_loopback(self.address)

    @property
    def models_dir(self) -> Path:
        """Where downloaded models are kept."""
        return self.data_dir / "models"

    @property
    def warm_dir(self) -> Path:
        """Where chats are kept that go on at once after a restart."""
        return self.data_dir / "warm"

    @property
    def presets_dir(self) -> Path:
        """Where the person's own presets are kept."""
        return self.data_dir / "presets"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the history."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'samovar.db').as_posix()}"

    @property
    def secret_file(self) -> Path:
        """The file with the key that signs cookies."""
        return self.data_dir / "secret"


def options() -> dict[str, Option]:
    """Return the table: field name -> option, in the order of the help."""
    return {field.name: field.metadata["option"] for field in dataclasses.fields(Settings)}


def flags_help(spoken: Language, width: int = 100) -> str:
    """Return the flags with their help and defaults, wrapped to `width` columns."""
    defaults = {field.name: field.default for field in dataclasses.fields(Settings)}
    return "\n".join(help_lines(options(), defaults, spoken, width))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower() == "localhost"
