"""The executor of the engine over a transformers model: one KV cache for each sequence.

Sequences are read one after the other, or, where each reads one token and all are of one length (beams), as a batch.

One thread owns it (see `backends.llamacpp.engine`, which knows nothing of llama.cpp). `logits_of` is the seam for
whoever wants logits and no draw.
"""

from __future__ import annotations

import gc
import inspect
import threading
from collections import deque
from collections.abc import Sequence, Set
from typing import Any

import torch
from torch import Tensor

from backends.beam_scores import Scores
from backends.errors import SamovarError
from backends.llamacpp.executor import Outcome, Part
from backends.sampling import MAX_BEAMS
from backends.transformers.cache import cut, divide, is_cuttable, join, new_cache, own, share
from backends.transformers.devices import free_cached
from backends.transformers.failures import is_memory, while_running
from backends.transformers.sampling import Sampler

BATCH = 512
"""Tokens read at once, at most."""


class Interrupted(Exception):
    """The forward pass was broken off between two layers."""


class TorchExecutor:
    """Decodes for up to `sequences` sequences that hold `cells` tokens together, by the engine's books.

    Running out of memory, or any other failure, hits only the request it happened to: its sequence is emptied, and
    the error comes where its next token would be drawn.
    """

    limit = BATCH

    def __init__(self, model: Any, name: str, cells: int, sequences: int) -> None:
        self.cells, self._name = cells, name
        self._model: Any = model
        self._config = model.config.get_text_config(decoder=True)
        self._device = model.get_input_embeddings().weight.device
        self._extra = _arguments(model)
        self.cuttable = is_cuttable(self._empty())
        self.spare = MAX_BEAMS - 1 if self.cuttable else 0
        self._caches: list[Any] = [self._empty() for _ in range(sequences + self.spare)]
        self._held = [0] * len(self._caches)  # -1 where a broken pass left it in doubt
        self._wide: set[int] = set()  # those whose numbers are a row of a batch
        self._failed: dict[int, SamovarError] = {}
        self._logits: dict[int, Tensor | SamovarError] = {}
        self._stop = threading.Event()
        self._watch()

    def _empty(self) -> Any:
        return new_cache(self._config)

    def _reset(self, sequence: int) -> None:
        self._caches[sequence], self._held[sequence] = self._empty(), 0

    def _watch(self) -> None:
        """Let the model look at the flag before every layer."""

        def look(*_: Any) -> None:
            if self._stop.is_set():
                raise Interrupted

        number = getattr(self._config, "num_hidden_layers", 0)
        for module in self._model.modules():
            if isinstance(module, torch.nn.ModuleList) and len(module) == number:
                for layer in module:
                    layer.register_forward_pre_hook(look)
                return

    def decode(self, parts: Sequence[Part]) -> Outcome:
        """Read the tokens of all parts; a part's last token gives logits if it asks for them."""
        self._logits.clear()
        self._shrink({part.sequence for part in parts})
        index, done = -1, 0
        groups = deque(self._groups(parts))
        while groups:
            group = groups.popleft()
            rows: list[Tensor] | None = None
            try:
                rows = self._read(group)
            except Interrupted:
                return Outcome.ABORTED
            except Exception as error:
                if len(group) > 1:  # one of them may be to blame, or the batch too much; its caches are as they were
                    self._release(error)
                    groups.extendleft([part] for part in reversed(group))
                    continue
                if is_memory(error) and self._may_free(parts):
                    self._take_back(parts[: done + 1])
                    return Outcome.FULL
                self._give_up(group[0].sequence, error)
            done += len(group)
            for at, part in enumerate(group):
                index += len(part.tokens)
                if part.logits:
                    self._logits[index] = self._failed[part.sequence] if rows is None else rows[at]
        return Outcome.DONE

    def _groups(self, parts: Sequence[Part]) -> list[list[Part]]:
        """Return the parts, those together that can be read as one batch: neighbours of one token and one length."""
        found: list[list[Part]] = []
        for part in parts:
            if found and self.cuttable and self._are_alike(found[-1][-1], part):
                found[-1].append(part)
            else:
                found.append([part])
        return found

    def _are_alike(self, one: Part, other: Part) -> bool:
        alike = len(one.tokens) == len(other.tokens) == 1 and one.start == other.start
        return alike and self._failed.keys().isdisjoint((one.sequence, other.sequence))

    def _read(self, group: Sequence[Part]) -> list[Tensor] | None:
        """Return the logits after each part of a group; None if its sequence has failed already."""
        if len(group) > 1:
            return self._read_batch(group)
        part = group[0]
        return None if part.sequence in self._failed else self.logits_of([(part.sequence, part.tokens)])

    def _read_batch(self, group: Sequence[Part]) -> list[Tensor]:
        """Read one token of several sequences at once: their caches are joined before, and parted again."""
        caches, joined = [self._caches[part.sequence] for part in group], self._empty()
        with torch.inference_mode():
            join(caches, joined)
            ids = torch.tensor([list(part.tokens) for part in group], device=self._device)
            rows: Tensor = self._model(input_ids=ids, past_key_values=joined, use_cache=True, **self._extra).logits
        divide(joined, caches)
        for part in group:
            self._held[part.sequence] += 1
        self._wide.update(part.sequence for part in group)
        return list(rows[:, -1])

    def _shrink(self, used: Set[int]) -> None:
        """Let the sequences that are no longer read keep only their own rows of a batch in memory."""
        for sequence in self._wide - used:
            own(self._caches[sequence])
        self._wide &= used

    def logits_of(self, sequences: Sequence[tuple[int, Sequence[int]]]) -> list[Tensor]:
        """Let every sequence go on with its tokens, and return the logits after the last of them, one row each."""
        found = []
        with torch.inference_mode():
            for sequence, tokens in sequences:
                ids = torch.tensor([list(tokens)], device=self._device)
                cache, held = self._caches[sequence], self._held[sequence]
                self._held[sequence] = -1
                output = self._model(input_ids=ids, past_key_values=cache, use_cache=True, **self._extra)
                self._held[sequence] = held + len(tokens)
                found.append(output.logits[0, -1])
        return found

    def sample(self, sampler: Sampler, index: int) -> int:
        """Draw from the logits of the last batch's `index`-th token. Raises the error that its part met."""
        logits = self._found(index)
        with torch.inference_mode():
            try:
                return sampler.sample(logits)
            except Exception as error:
                raise while_running(self._name, error) from error

    def logits(self, index: int) -> Scores:
        """Return the logits of the last batch's `index`-th token. Raises the error that its part met."""
        scores: Scores = self._found(index).float().cpu().numpy()
        return scores

    def _found(self, index: int) -> Tensor:
        logits = self._logits[index]
        if isinstance(logits, SamovarError):
            raise logits
        return logits

    def cut(self, sequence: int, keep: int) -> bool:
        """Forget all but the first `keep` tokens of a sequence; False (and nothing done) if it cannot be cut."""
        if not keep:
            self._failed.pop(sequence, None)
            self._reset(sequence)
            return True
        if self.cuttable and sequence not in self._failed:
            cut(self._caches[sequence], keep)
            self._held[sequence] = keep
            return True
        return self._held[sequence] == keep

    def share(self, source: int, target: int, tokens: int) -> None:
        """Let an empty sequence hold the first `tokens` of another."""
        if source in self._failed:
            self._failed[target] = self._failed[source]
            return
        share(self._caches[source], self._caches[target], tokens)
        self._held[target] = tokens

    def interrupt(self) -> None:
        """End the running decode, or the next; from any thread."""
        self._stop.set()

    def resume(self) -> None:
        """Let decodes run again."""
        self._stop.clear()

    def close(self) -> None:
        """Give the memory back."""
        self._model = None
        self._caches.clear()
        self._logits.clear()
        self._collect()

    # When memory is short

    def _may_free(self, parts: Sequence[Part]) -> bool:
        """Whether others hold tokens that the engine can give up for these, and these can be read once more."""
        mine = {part.sequence for part in parts}
        return self.cuttable and any(held for index, held in enumerate(self._held) if index not in mine)

    def _take_back(self, parts: Sequence[Part]) -> None:
        for part in parts:
            if part.sequence not in self._failed:
                self.cut(part.sequence, part.start)
        self._collect()

    def _give_up(self, sequence: int, error: Exception) -> None:
        self._failed[sequence] = while_running(self._name, error)
        self._reset(sequence)
        self._release(error)

    def _release(self, error: Exception) -> None:
        if is_memory(error):
            error.__traceback__ = None  # it holds the tensors
            self._collect()

    def _collect(self) -> None:
        gc.collect()
        free_cached(self._device.type)


def _arguments(model: Any) -> dict[str, Any]:
    """Return what a forward pass is asked besides: only the last token's logits, where a model can leave the rest."""
    known = inspect.signature(model.forward).parameters
    return {"logits_to_keep": 1} if "logits_to_keep" in known else {}
