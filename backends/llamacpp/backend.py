"""The llama.cpp backend: a model file, its vocabulary and template, and the engine that runs it."""

from __future__ import annotations

from pathlib import Path

import llama_cpp

from backends.encoder import Encoder
from backends.errors import ModelBroken
from backends.guiding.guide import Guides
from backends.llamacpp.cache import Keeping
from backends.llamacpp.context import Context
from backends.llamacpp.engine import Engine
from backends.llamacpp.identity import describe
from backends.llamacpp.model import Model
from backends.llamacpp.options import CHUNK, LlamaCppOptions
from backends.llamacpp.parking import MEGABYTE
from backends.llamacpp.requests import Requests
from backends.llamacpp.run import LlamaGeneration
from backends.llamacpp.sampler import Sampler
from backends.llamacpp.shelf import Shelf
from backends.llamacpp.vocabulary import Vocabulary
from backends.templates import ChatTemplate, choose_template
from backends.values import Capabilities, Encoded, Kept, ModelInfo, Prompt, Request

ENGINE = "llama.cpp"


class LlamaCppBackend:
    """The `Backend` over a GGUF file.

    Raises `ModelNotFound`, `ModelBroken`, `ModelUnsupported` or `OutOfMemory`, and `EngineClosed` when the progress
    callback stops the loading.
    """

    def __init__(self, path: Path, options: LlamaCppOptions | None = None) -> None:
        options = options or LlamaCppOptions()
        self._model = model = Model(path, options)
        try:
            self._vocabulary = vocabulary = _vocabulary(model)
            template = _template(model, vocabulary, options.template)
            self._encoder = encoder = Encoder(vocabulary, template)
            window = options.window(model.trained_window)
            self._info = describe(model, vocabulary, window, template.name)
            context = Context(model, options)
            self._requests = Requests(
                ENGINE, encoder, Guides(vocabulary, ENGINE), vocabulary, window,
                lambda params, seed, *more: Sampler(params, vocabulary, window, seed, *more),
                searches=context.spare > 0,
                draft=options.draft if context.cuttable and not options.exact else 0,
            )  # fmt: skip
        except BaseException:
            model.close()
            raise
        self._engine = Engine(context, vocabulary, options.parallel, self._keeping(context, options))

    def _keeping(self, context: Context, options: LlamaCppOptions) -> Keeping:
        build = f"{llama_cpp.__version__}{' exact' if options.exact else ''}"
        shelf = Shelf(options.warm, self._info.fingerprint, build, options.warm_mb * MEGABYTE)
        return Keeping(
            context,
            extra=options.sequences - options.parallel,
            budget=options.park_mb * MEGABYTE,
            shift=options.shift and not options.exact,
            shelf=shelf if options.warm_mb else None,
            chunk=CHUNK if options.exact else 0,
        )

    @property
    def info(self) -> ModelInfo:
        """See `Backend.info`."""
        return self._info

    @property
    def capabilities(self) -> Capabilities:
        """See `Backend.capabilities`: every knob, but no beams for a recurrent model, or in exact mode."""
        return self._requests.capabilities

    @property
    def kept(self) -> Kept:
        """What it keeps of chats that gave way to others."""
        return self._engine.kept

    def start(self, request: Request) -> LlamaGeneration:
        """See `Backend.start`."""
        params = request.sampling.canonical()
        self._requests.check(params)
        with self._model.in_use():
            run = self._requests.run(request, params)
            self._engine.submit(run)
        return LlamaGeneration(self._engine, run)

    def encode(self, prompt: Prompt) -> Encoded:
        """See `Backend.encode`."""
        with self._model.in_use():
            return self._encoder.prepare(prompt).encoded

    def tokenize(self, text: str) -> tuple[int, ...]:
        """See `Backend.tokenize`."""
        with self._model.in_use():
            return self._vocabulary.read_exactly(text, special=False)

    def detokenize(self, tokens: tuple[int, ...]) -> str:
        """See `Backend.detokenize`. Raises `InvalidParameter` for an id that is no token."""
        self._requests.check_ids("tokens", tokens)
        with self._model.in_use():
            return self._vocabulary.spell(tokens).decode("utf-8", "replace")

    def close(self) -> None:
        """See `Backend.close`."""
        self._engine.close()
        self._model.close()


def _template(model: Model, vocabulary: Vocabulary, name: str) -> ChatTemplate:
    called = " ".join((model.metadata("general.architecture"), model.metadata("general.name"), model.path.stem))
    bos, eos = vocabulary.text(vocabulary.bos), vocabulary.text(vocabulary.eos)
    return choose_template(name, model.chat_template, bos, eos, vocabulary.marks, called)


def _vocabulary(model: Model) -> Vocabulary:
    try:
        return Vocabulary(model.handle)
    except ValueError as error:
        raise ModelBroken(model=model.path.name, reason=str(error)) from error
