"""The llama.cpp backend: a model file, its vocabulary and template, and the engine that runs it."""

from __future__ import annotations

import secrets
from pathlib import Path

import llama_cpp

from backends.encoder import Encoder
from backends.errors import InvalidParameter, ModelBroken, PromptTooLong, UnsupportedParameter
from backends.guiding.guide import Guides
from backends.llamacpp.beam_run import BeamRun
from backends.llamacpp.cache import Keeping
from backends.llamacpp.context import Context
from backends.llamacpp.engine import Engine
from backends.llamacpp.identity import describe
from backends.llamacpp.model import Model
from backends.llamacpp.options import CHUNK, LlamaCppOptions
from backends.llamacpp.parking import MEGABYTE
from backends.llamacpp.run import LlamaGeneration, Run
from backends.llamacpp.sampler import Sampler
from backends.llamacpp.shelf import Shelf
from backends.llamacpp.vocabulary import Vocabulary
from backends.sampling import BEAM_KNOBS, SamplingParams, knobs
from backends.templates import ChatTemplate, choose_template
from backends.textstream import TextStream
from backends.values import Capabilities, ChatPrompt, Encoded, Kept, ModelInfo, Prompt, Request

ENGINE = "llama.cpp"
_SEEDS = 2**32 - 1  # the largest value means "random" to llama.cpp


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
            self._encoder, self._guides = Encoder(vocabulary, template), Guides(vocabulary, ENGINE)
            window = options.window(model.trained_window)
            self._info = describe(model, vocabulary, window, template.name)
            context = Context(model, options)
            self._searches = context.spare > 0
            self._draft = options.draft if context.cuttable and not options.exact else 0
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
        lacking = frozenset() if self._searches else BEAM_KNOBS
        reasons = dict.fromkeys(lacking, UnsupportedParameter().code) | self._guides.reasons
        return Capabilities(frozenset(knobs()) - lacking, reasons=reasons, constraints=self._guides.shapes)

    @property
    def kept(self) -> Kept:
        """What it keeps of chats that gave way to others."""
        return self._engine.kept

    def start(self, request: Request) -> LlamaGeneration:
        """See `Backend.start`."""
        params = request.sampling.canonical()
        self._check(params)
        with self._model.in_use():
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
            head=_first_turn(request.prompt, prepared.encoded),
            draft=self._draft,
        )

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
        self._check_ids("tokens", tokens)
        with self._model.in_use():
            return self._vocabulary.spell(tokens).decode("utf-8", "replace")

    def close(self) -> None:
        """See `Backend.close`."""
        self._engine.close()
        self._model.close()

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


def _first_turn(prompt: Prompt, encoded: Encoded) -> int:
    """Return the tokens up to the end of the first turn that may leave the window: not the system message."""
    if not isinstance(prompt, ChatPrompt) or not encoded.ends:
        return 0
    return encoded.ends[min(prompt.messages[0].role == "system", len(encoded.ends) - 1)]


def _template(model: Model, vocabulary: Vocabulary, name: str) -> ChatTemplate:
    called = " ".join((model.metadata("general.architecture"), model.metadata("general.name"), model.path.stem))
    bos, eos = vocabulary.text(vocabulary.bos), vocabulary.text(vocabulary.eos)
    return choose_template(name, model.chat_template, bos, eos, vocabulary.marks, called)


def _vocabulary(model: Model) -> Vocabulary:
    try:
        return Vocabulary(model.handle)
    except ValueError as error:
        raise ModelBroken(model=model.path.name, reason=str(error)) from error
