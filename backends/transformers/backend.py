"""The transformers backend: a model, its vocabulary and template, and the engine that runs it."""

from __future__ import annotations

from pathlib import Path

from backends.encoder import Encoder
from backends.errors import EngineClosed, ModelUnsupported
from backends.guiding.guide import Guides
from backends.llamacpp.engine import Engine
from backends.llamacpp.requests import Requests
from backends.llamacpp.run import LlamaGeneration
from backends.templates import ChatTemplate, choose_template
from backends.transformers.executor import TorchExecutor
from backends.transformers.identity import describe
from backends.transformers.model import Loaded, Source, chat_template, load, trained_window
from backends.transformers.options import TransformersOptions
from backends.transformers.sampling import Sampler
from backends.transformers.vocabulary import Vocabulary
from backends.values import Capabilities, Encoded, ModelInfo, Prompt, Request

ENGINE = "transformers"


class TransformersBackend:
    """The `Backend` over a folder of safetensors or a GGUF file.

    The engine that owns the model is the one of llama.cpp's backend: it knows only tokens. So requests are let in
    fairly, up to `parallel` of them write in turn, and each sequence's KV cache is kept for whoever goes on from it.

    Raises `ModelNotFound`, `ModelBroken`, `ModelUnsupported`, `OutOfMemory`, `InvalidParameter` for an option that
    this model or machine does not have, and `EngineClosed` when the progress callback stops the loading.
    """

    def __init__(self, path: Path, options: TransformersOptions | None = None) -> None:
        options = options or TransformersOptions()
        source = Source.of(path)
        loaded = load(source, options)
        self._vocabulary = vocabulary = _vocabulary(loaded)
        template = _template(loaded, vocabulary, options.template)
        self._encoder = encoder = Encoder(vocabulary, template)
        window = options.window(trained_window(loaded.config))
        self._info = describe(loaded, vocabulary, window, template.name)
        self._closed = False
        # Only the executor keeps the model, so that closing it gives the memory back.
        executor = TorchExecutor(loaded.model, source.name, window, options.parallel)
        self._requests = Requests(
            ENGINE, encoder, Guides(vocabulary, ENGINE), vocabulary, window,
            lambda params, seed, *more: Sampler(params, vocabulary, window, seed, *more),
            searches=executor.spare > 0,
        )  # fmt: skip
        self._engine = Engine(executor, vocabulary, options.parallel)

    @property
    def info(self) -> ModelInfo:
        """See `Backend.info`."""
        return self._info

    @property
    def capabilities(self) -> Capabilities:
        """See `Backend.capabilities`: every knob, but no beams for a recurrent model."""
        return self._requests.capabilities

    def start(self, request: Request) -> LlamaGeneration:
        """See `Backend.start`."""
        self._check_open()
        params = request.sampling.canonical()
        self._requests.check(params)
        run = self._requests.run(request, params)
        self._engine.submit(run)
        return LlamaGeneration(self._engine, run)

    def encode(self, prompt: Prompt) -> Encoded:
        """See `Backend.encode`."""
        self._check_open()
        return self._encoder.prepare(prompt).encoded

    def tokenize(self, text: str) -> tuple[int, ...]:
        """See `Backend.tokenize`."""
        self._check_open()
        return self._vocabulary.read_exactly(text, special=False)

    def detokenize(self, tokens: tuple[int, ...]) -> str:
        """See `Backend.detokenize`. Raises `InvalidParameter` for an id that is no token."""
        self._check_open()
        self._requests.check_ids("tokens", tokens)
        return self._vocabulary.spell(tokens).decode("utf-8", "replace")

    def close(self) -> None:
        """See `Backend.close`."""
        self._closed = True
        self._engine.close()

    def _check_open(self) -> None:
        if self._closed:
            raise EngineClosed


def _vocabulary(loaded: Loaded) -> Vocabulary:
    rows = loaded.model.get_input_embeddings().weight.shape[0]
    try:
        return Vocabulary(loaded.tokenizer, int(rows), loaded.ends)
    except ValueError as error:
        raise ModelUnsupported(model=loaded.source.name, reason=str(error)) from error


def _template(loaded: Loaded, vocabulary: Vocabulary, name: str) -> ChatTemplate:
    called = f"{loaded.config.model_type} {loaded.source.folder.name} {loaded.source.gguf}"
    bos, eos = vocabulary.text(vocabulary.bos), vocabulary.text(vocabulary.eos)
    return choose_template(name, chat_template(loaded.tokenizer), bos, eos, vocabulary.marks, called)
