"""The transformers backend: a model, its vocabulary and template, and the engine that runs it."""

from __future__ import annotations

import secrets
from pathlib import Path

from backends.encoder import Encoder
from backends.errors import EngineClosed, InvalidParameter, ModelUnsupported, PromptTooLong, UnsupportedParameter
from backends.guiding.guide import Guides
from backends.llamacpp.beam_run import BeamRun
from backends.llamacpp.engine import Engine
from backends.llamacpp.run import LlamaGeneration, Run
from backends.sampling import BEAM_KNOBS, SamplingParams, knobs
from backends.templates import ChatTemplate, choose_template
from backends.textstream import TextStream
from backends.transformers.executor import TorchExecutor
from backends.transformers.identity import describe
from backends.transformers.model import Loaded, Source, chat_template, load, trained_window
from backends.transformers.options import TransformersOptions
from backends.transformers.sampling import Sampler
from backends.transformers.vocabulary import Vocabulary
from backends.values import Capabilities, Encoded, ModelInfo, Prompt, Request

ENGINE = "transformers"
_SEEDS = 2**32 - 1


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
        self._encoder, self._guides = Encoder(vocabulary, template), Guides(vocabulary, ENGINE)
        window = options.window(trained_window(loaded.config))
        self._info = describe(loaded, vocabulary, window, template.name)
        self._closed = False
        # Only the executor keeps the model, so that closing it gives the memory back.
        executor = TorchExecutor(loaded.model, source.name, window, options.parallel)
        self._searches = executor.spare > 0
        self._engine = Engine(executor, vocabulary, options.parallel)

    @property
    def info(self) -> ModelInfo:
        """See `Backend.info`."""
        return self._info

    @property
    def capabilities(self) -> Capabilities:
        """See `Backend.capabilities`: every knob, but no beams for a recurrent model."""
        lacking = frozenset() if self._searches else BEAM_KNOBS
        reasons = dict.fromkeys(lacking, UnsupportedParameter().code) | self._guides.reasons
        return Capabilities(knobs=frozenset(knobs()) - lacking, reasons=reasons, constraints=self._guides.shapes)

    def start(self, request: Request) -> LlamaGeneration:
        """See `Backend.start`."""
        self._check_open()
        params = request.sampling.canonical()
        self._check(params)
        run = self._run(request, params)
        self._engine.submit(run)
        return LlamaGeneration(self._engine, run)

    def _run(self, request: Request, params: SamplingParams) -> Run:
        prepared = self._encoder.prepare(request.prompt)
        tokens, window = prepared.encoded.tokens, self._info.window
        room = window - len(tokens)
        if room < 1:
            raise PromptTooLong(tokens=len(tokens), window=window)
        seed = params.seed if params.seed >= 0 else secrets.randbelow(_SEEDS)
        guide = self._guides.begin(request, prepared)
        limit = min(params.max_tokens or room, room)
        stream = TextStream((*params.stop, *prepared.stops), prepared.think, prepared.thinking, lead=prepared.lead)
        if params.num_beams > 1:
            return BeamRun(
                tokens, params, self._vocabulary, window, limit=limit, stream=stream, seed=seed, user=request.user,
                guide=guide,
            )  # fmt: skip
        sampler = Sampler(params, self._vocabulary, window, seed, tokens, guide, request.alternatives)
        return Run(
            tokens,
            limit=limit,
            sampler=sampler,
            weighed=lambda: sampler.last,
            stream=stream,
            seed=seed,
            user=request.user,
        )

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
        self._check_ids("tokens", tokens)
        return self._vocabulary.spell(tokens).decode("utf-8", "replace")

    def close(self) -> None:
        """See `Backend.close`."""
        self._closed = True
        self._engine.close()

    def _check_open(self) -> None:
        if self._closed:
            raise EngineClosed

    def _check(self, params: SamplingParams) -> None:
        known = self.capabilities.knobs
        for name in params.difference():
            if name not in known:
                raise UnsupportedParameter(name=name, engine=ENGINE)
        self._check_ids("logit_bias", tuple(token for token, _ in params.logit_bias))
        self._check_ids("banned_tokens", params.banned_tokens)

    def _check_ids(self, name: str, tokens: tuple[int, ...]) -> None:
        size = self._vocabulary.size
        for token in tokens:
            if not 0 <= token < size:
                raise InvalidParameter(name=name, value=token, allowed=f"0 … {size - 1}")


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
