"""Tiny random models of each family: the same tokens as the library's own generate, read at once or reused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
library = pytest.importorskip("transformers")

from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers  # noqa: E402
from tokenizers import models as kinds  # noqa: E402

from backends.errors import ModelBroken, ModelNotFound, ModelUnsupported  # noqa: E402
from backends.registry import BackendOptions, open_backend  # noqa: E402
from backends.sampling import SamplingParams  # noqa: E402
from backends.values import Done, Request, TextPrompt  # noqa: E402

FIRST = "the cat sat on a mat " * 4
SECOND = FIRST + "hello world"
WINDOW = 256
SLIDING = 16
FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "gpt2", "falcon", "falcon-alibi")


def tokenizer() -> Any:
    made = Tokenizer(kinds.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"], show_progress=False
    )
    made.train_from_iterator([SECOND], trainer)
    return library.PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")


def settings(family: str, size: int) -> Any:
    kind = family.partition("-")[0]
    values: dict[str, Any] = {"vocab_size": size, "bos_token_id": 0, "eos_token_id": 1, "initializer_range": 0.5}
    if kind == "gpt2":
        return library.AutoConfig.for_model(kind, **values, n_embd=32, n_layer=2, n_head=4, n_positions=WINDOW)
    values |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": WINDOW}
    if kind == "falcon":
        return library.AutoConfig.for_model(kind, **values, alibi=family.endswith("alibi"))
    values |= {"intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 1}
    if kind in ("mistral", "gemma2", "gemma3_text"):
        values["sliding_window"] = SLIDING
    return library.AutoConfig.for_model(kind, **values)


def saved(family: str, folder: Path) -> Any:
    """Save a random model and return it."""
    words = tokenizer()
    torch.manual_seed(0)
    model = library.AutoModelForCausalLM.from_config(settings(family, len(words))).eval()
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return model


def opened(folder: Path) -> Any:
    return open_backend(str(folder), BackendOptions(gpu_layers=0, parallel=2))


def written(backend: Any, text: str) -> tuple[list[int], Done]:
    """Return prompt and reply as tokens, and the last event."""
    generation = backend.start(Request(TextPrompt(text), SamplingParams(temperature=0, max_tokens=24)))
    *_, done = generation
    return list(generation._run.tokens), done


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_is_the_librarys_own_and_reuse_changes_nothing(family: str, tmp_path: Path) -> None:
    model = saved(family, tmp_path / family)
    backend = opened(tmp_path / family)
    prompt = list(backend.encode(TextPrompt(FIRST)).tokens)
    assert len(prompt) > SLIDING
    expected = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=24)[0].tolist()
    tokens, _ = written(backend, FIRST)
    assert tokens == (expected[:-1] if expected[-1] == 1 else expected)
    reused, done = written(backend, SECOND)
    assert done.usage.cached_tokens > 0
    backend.close()
    backend = opened(tmp_path / family)
    cold, done = written(backend, SECOND)
    backend.close()
    assert done.usage.cached_tokens == 0
    assert cold == reused


def test_a_window_beyond_the_training_is_refused(tmp_path: Path) -> None:
    saved("gpt2", tmp_path / "gpt2")
    with pytest.raises(Exception, match="ctx cannot be 512"):
        open_backend(str(tmp_path / "gpt2"), BackendOptions(gpu_layers=0, ctx=512))


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    options = BackendOptions(backend="transformers", gpu_layers=0)
    with pytest.raises(ModelNotFound):
        open_backend(str(folder), options)
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ModelUnsupported, match="pickled"):
        open_backend(str(folder), options)
    saved("llama", folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelBroken):
        open_backend(str(folder), options)
    saved("llama", folder)
    text = (folder / "config.json").read_text().replace('"llama"', '"no_such"')
    (folder / "config.json").write_text(text.replace("{", '{"auto_map": {"AutoConfig": "code.Config"},', 1))
    (folder / "code.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelUnsupported, match="only run if you allow it"):
        open_backend(str(folder), options)
