"""The context of a model: its KV cache and the batches that go through it. One thread owns it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

from llama_cpp import llama_cpp as native

from backends.errors import EngineClosed
from backends.llamacpp.candidates import Row, row_of
from backends.llamacpp.executor import Outcome, Part
from backends.llamacpp.interrupt import Interrupt
from backends.llamacpp.logs import logs
from backends.llamacpp.model import Model, failure
from backends.llamacpp.options import LlamaCppOptions
from backends.llamacpp.parking import Memory
from backends.llamacpp.sampler import Sampler
from backends.sampling import MAX_BEAMS

BATCH = 512
"""Tokens decoded at once, at most."""
_WINDOW_STEP = 256
"""The library rounds a sequence's own cells up to a multiple of this."""
_OUTCOMES: Mapping[int, Outcome] = {0: Outcome.DONE, 1: Outcome.FULL, 2: Outcome.ABORTED}


class Context:
    """One unified KV pool of `cells` tokens for all sequences. Raises `OutOfMemory` when it does not fit.

    Unified, because one chat may then use the whole window while it is alone, at a quarter of the memory that four
    windows would take, and sequences can share the cells of a common beginning. In exact mode every sequence has cells
    of its own: in which order a pool fills depends on the others, and with it the last digits of every sum.
    """

    limit = BATCH

    def __init__(self, model: Model, options: LlamaCppOptions) -> None:
        self.cuttable = model.cuttable
        self.spare = spare_sequences(model, options)
        self._size = native.llama_vocab_n_tokens(native.llama_model_get_vocab(model.handle))
        self._interrupt = Interrupt()
        self._moved = False  # since the last decode
        logs().clear()
        pointer = native.llama_init_from_model(model.handle, _params(model, options))
        if not pointer:
            raise failure(model.path)
        self._pointer: native.llama_context_p | None = pointer
        memory = native.llama_get_memory(pointer)
        if memory is None:
            self.close()
            raise failure(model.path)
        self._memory = memory
        self.cells = native.llama_n_ctx(pointer)
        self.shareable = self.cuttable and not options.exact
        self.shiftable = self.cuttable and bool(native.llama_memory_can_shift(memory))
        self._interrupt.attach(pointer)
        self._make_batch(options.sequences + self.spare)

    def _make_batch(self, sequences: int) -> None:
        # Our own arrays under the library's batch: whole slices are then written at once.
        batch: Any = native.llama_batch()
        self._batch = batch
        self._tokens: Any = (native.llama_token * BATCH)()
        self._positions: Any = (native.llama_pos * BATCH)()
        self._outputs: Any = (ctypes.c_int8 * BATCH)()
        counts: Any = (ctypes.c_int32 * BATCH)(*[1] * BATCH)
        pointer = ctypes.POINTER(native.llama_seq_id)
        self._names = [(native.llama_seq_id * 1)(index) for index in range(sequences)]
        self._name_pointers = [ctypes.cast(name, pointer) for name in self._names]
        self._sequences: Any = (pointer * BATCH)()
        batch.token, batch.pos, batch.n_seq_id = self._tokens, self._positions, counts
        batch.seq_id, batch.logits = self._sequences, self._outputs

    @property
    def handle(self) -> native.llama_context_p:
        """The library's context. Raises `EngineClosed` after `close`."""
        if self._pointer is None:
            raise EngineClosed
        return self._pointer

    def decode(self, parts: Sequence[Part]) -> Outcome:
        """Read the tokens of all parts in one batch; its last ones give logits, as many as a part asks for."""
        at = 0
        for part in parts:
            size = len(part.tokens)
            end = at + size
            if size == 1:  # most are: a reply that goes on
                self._tokens[at], self._positions[at] = part.tokens[0], part.start
                self._sequences[at], self._outputs[at] = self._name_pointers[part.sequence], part.logits
                at = end
                continue
            self._tokens[at:end] = part.tokens
            self._positions[at:end] = range(part.start, part.start + size)
            self._sequences[at:end] = [self._name_pointers[part.sequence]] * size
            self._outputs[at:end] = [0] * (size - part.logits) + [1] * part.logits
            at = end
        self._batch.n_tokens = at
        if self._moved:
            # The keys are rotated in place, layer by layer: broken off, they would be neither here nor there.
            self._interrupt.detach(self.handle)
        result = native.llama_decode(self.handle, self._batch)
        if self._moved:
            self._interrupt.attach(self.handle)
            self._moved = False
        return _OUTCOMES.get(result, Outcome.FAILED)

    def sample(self, sampler: Sampler, index: int) -> int:
        """Draw from the logits of the last batch's `index`-th token."""
        return sampler.sample(self.handle, index)

    def logits(self, index: int) -> Row:
        """Return the logits of the last batch's `index`-th token, until the next decode. Raises `EngineFailed`."""
        return row_of(self.handle, index, self._size)

    def cut(self, sequence: int, keep: int) -> bool:
        """Forget all but the first `keep` tokens of a sequence; False (and nothing done) if it cannot be cut."""
        if native.llama_memory_seq_pos_max(self._memory, sequence) < keep:
            return True
        return bool(native.llama_memory_seq_rm(self._memory, sequence, keep, -1))

    def share(self, source: int, target: int, tokens: int) -> None:
        """Let an empty sequence hold the first `tokens` of another, in the same cells."""
        native.llama_memory_seq_cp(self._memory, source, target, 0, tokens)

    def shift(self, sequence: int, start: int, end: int) -> bool:
        """Take tokens out of the middle of a sequence; the keys after them are rotated with the next decode."""
        if not native.llama_memory_seq_rm(self._memory, sequence, start, end):
            return False
        native.llama_memory_seq_add(self._memory, sequence, end, -1, start - end)
        self._moved = True
        return True

    def measure(self, sequence: int) -> int:
        """Return the bytes of a sequence's state."""
        return int(native.llama_state_seq_get_size(self.handle, sequence))

    def save(self, sequence: int, memory: Memory) -> bool:
        """Copy a sequence's state out of the pool; not while keys are still to be rotated."""
        if self._moved:
            return False
        return bool(native.llama_state_seq_get_data(self.handle, memory.pointer, memory.size, sequence))

    def restore(self, sequence: int, memory: Memory) -> bool:
        """Copy a state into an empty sequence, in any cells that are free."""
        return bool(native.llama_state_seq_set_data(self.handle, memory.pointer, memory.size, sequence))

    def interrupt(self) -> None:
        """End the running decode; from any thread."""
        self._interrupt.set()

    def resume(self) -> None:
        """Let decodes run again."""
        self._interrupt.clear()

    def close(self) -> None:
        """Give the memory back. Idempotent."""
        if self._pointer is not None:
            native.llama_free(self._pointer)
            self._pointer = None


def spare_sequences(model: Model, options: LlamaCppOptions) -> int:
    """Return how many sequences there are for beams; a recurrent state cannot be shared. They cost no memory.

    In exact mode they would, and cannot be shared either.
    """
    return MAX_BEAMS - 1 if model.cuttable and not options.exact else 0


def _params(model: Model, options: LlamaCppOptions) -> native.llama_context_params:
    params: native.llama_context_params = native.llama_context_default_params()
    window, sequences = options.window(model.trained_window), options.sequences + spare_sequences(model, options)
    params.n_ctx = -(-window // _WINDOW_STEP) * _WINDOW_STEP * sequences if options.exact else window
    params.n_batch = params.n_ubatch = BATCH
    params.n_seq_max = sequences
    params.n_outputs_max = sequences + options.parallel * options.draft
    params.n_threads = params.n_threads_batch = options.cores()
    params.kv_unified = not options.exact
    params.swa_full = True  # a sliding window would forget what a later request wants to reuse
    params.no_perf = True
    return params
