"""A model in memory: its settings, tokenizer and weights, from a folder of safetensors or a GGUF file.

Nothing is fetched here, no pickled weights are read, and no program code of a model is run unless the person allows
it for that model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from backends.errors import EngineClosed, ModelBroken, ModelNotFound, ModelUnsupported
from backends.models.library import headers_of
from backends.transformers.devices import Place, choose_place, find_machine
from backends.transformers.failures import while_loading
from backends.transformers.options import TransformersOptions

_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model lies: a folder of safetensors, or a GGUF file with its folder."""

    folder: Path
    gguf: str = ""

    @classmethod
    def of(cls, path: Path) -> Source:
        """Return the source at a path, after seeing that weights are there.

        Raises `ModelNotFound`, `ModelBroken`, and `ModelUnsupported` for pickled weights.
        """
        if path.is_file():
            headers_of(path)
            return cls(path.parent, path.name)
        if not path.is_dir():
            raise ModelNotFound(model=str(path))
        if not any(path.glob("*.safetensors")):
            if any(next(path.glob(pattern), None) for pattern in _PICKLED):
                reason = "its weights are pickled, which could run any program; only safetensors and GGUF are read"
                raise ModelUnsupported(model=path.name, reason=reason)
            raise ModelNotFound(model=str(path))
        if not (path / "config.json").is_file():
            raise ModelBroken(model=path.name, reason="its config.json is missing")
        return cls(path)

    @property
    def name(self) -> str:
        """What the model is called: the name of its file or folder."""
        return self.gguf or self.folder.name

    @property
    def weights(self) -> tuple[Path, ...]:
        """The files of the weights."""
        return (self.folder / self.gguf,) if self.gguf else tuple(sorted(self.folder.glob("*.safetensors")))

    def arguments(self, options: TransformersOptions) -> dict[str, Any]:
        """Return what every loader of the library is given."""
        found: dict[str, Any] = {"trust_remote_code": options.trust_remote_code, "local_files_only": True}
        return {**found, "gguf_file": self.gguf} if self.gguf else found


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready. `ends` are the ids that its settings say end a reply."""

    source: Source
    place: Place
    config: Any
    tokenizer: Any
    model: Any
    ends: frozenset[int]


def load(source: Source, options: TransformersOptions) -> Loaded:
    """Load a model. Raises `ModelBroken`, `ModelUnsupported`, `OutOfMemory`, and `EngineClosed` when told to stop."""
    if options.threads:
        torch.set_num_threads(options.threads)
    transformers.utils.logging.disable_progress_bar()
    try:
        return _load(source, options)
    except Exception as error:
        if isinstance(error, EngineClosed):
            raise
        raise while_loading(source.name, error) from error


def _load(source: Source, options: TransformersOptions) -> Loaded:
    arguments = source.arguments(options)
    whole = transformers.AutoConfig.from_pretrained(source.folder, **arguments)
    if getattr(whole, "is_encoder_decoder", False):
        raise ModelUnsupported(model=source.name, reason="it does not write on, it translates (encoder and decoder)")
    config = whole.get_text_config(decoder=True)
    options.window(trained_window(config))
    place = _place(source, whole, options)
    _tell(options, 0.0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source.folder, **arguments)
    _tell(options, 0.3)
    model = _weights(source, whole, place, arguments)
    _tell(options, 1.0)
    return Loaded(source, place, config, tokenizer, model, _ends(config, model.generation_config))


def _place(source: Source, config: Any, options: TransformersOptions) -> Place:
    stored = str(getattr(config, "dtype", None) or "").removeprefix("torch.")
    size = sum(path.stat().st_size for path in source.weights)
    if source.gguf:
        parameters = sum(header.parameters for header in headers_of(source.weights[0]))
        stored = ""
    else:
        parameters = size // (4 if stored == "float32" else 2)
    return choose_place(find_machine(options.device), options.dtype, stored, parameters)


def _weights(source: Source, config: Any, place: Place, found: Mapping[str, Any]) -> Any:
    arguments: dict[str, Any] = {**found, "config": config, "use_safetensors": True}
    arguments |= {"dtype": getattr(torch, "bfloat16" if place.dtype.startswith("int") else place.dtype)}
    if place.dtype.startswith("int"):
        four = place.dtype == "int4"
        arguments["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_8bit=not four, load_in_4bit=four, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
        )
        arguments["device_map"] = "auto"
    elif place.spread:
        arguments["device_map"] = "auto"
    loaded = transformers.AutoModelForCausalLM.from_pretrained(source.folder, output_loading_info=True, **arguments)
    model, told = loaded
    if missing := sorted(told["missing_keys"]):
        reason = f"{len(missing)} of its weights are missing, such as {missing[0]}"
        raise ModelBroken(model=source.name, reason=reason)
    if not model.can_generate() or not model._supports_default_dynamic_cache():
        raise ModelUnsupported(model=source.name, reason=f"{type(model).__name__} is of a kind that is not run here")
    return model.eval() if "device_map" in arguments else model.eval().to(place.device)


def _ends(config: Any, generation: Any) -> frozenset[int]:
    found: set[int] = set()
    for value in (getattr(config, "eos_token_id", None), getattr(generation, "eos_token_id", None)):
        found.update([value] if isinstance(value, int) else value or ())
    return frozenset(found)


def trained_window(config: Any) -> int:
    """Return the tokens of the window that a model was trained for; 0 where its settings do not say."""
    for name in ("max_position_embeddings", "seq_length", "max_seq_len", "max_sequence_length"):
        if isinstance(value := getattr(config, name, None), int) and value > 0:
            return value
    return 0


def chat_template(tokenizer: Any) -> str | None:
    """Return the Jinja source of a model's own chat template."""
    source = getattr(tokenizer, "chat_template", None)
    if isinstance(source, dict):
        source = source.get("default")
    return source if isinstance(source, str) and source else None


def _tell(options: TransformersOptions, share: float) -> None:
    if not options.progress(share):
        raise EngineClosed


def settings_text(source: Source) -> str:
    """Return the settings of a folder as one text that is equal for equal models; "" for a GGUF file."""
    if source.gguf:
        return ""
    return json.dumps(json.loads((source.folder / "config.json").read_text(encoding="utf-8")), sort_keys=True)
