"""The KV cache of one sequence: grown by the model, cut and shared by us."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import cache_utils

_WINDOWED = (cache_utils.DynamicSlidingWindowLayer,)


def new_cache(config: Any) -> Any:
    """Return an empty cache for a model of this configuration.

    A layer with a sliding window keeps all its tokens here: it would forget what a later request wants to reuse. The
    attention mask still hides what is outside the window.
    """
    cache: Any = transformers.DynamicCache(config=config)
    for index, layer in enumerate(cache.layers):
        if type(layer) in _WINDOWED:
            cache.layers[index] = cache_utils.DynamicLayer()
    return cache


def is_cuttable(cache: Any) -> bool:
    """Whether a cache can be shortened to any length; a recurrent state only knows its end."""
    plain = (cache_utils.DynamicLayer, getattr(cache_utils, "DummyLayer", cache_utils.DynamicLayer))
    return all(type(layer) in plain for layer in cache.layers)


def length(cache: Any) -> int:
    """Return the number of tokens that all layers of a cuttable cache hold."""
    return min((_size(layer) for layer in cache.layers if _holds(layer)), default=0)


def cut(cache: Any, keep: int) -> None:
    """Shorten every layer of a cuttable cache to its first `keep` tokens; some may have more than others."""
    for layer in cache.layers:
        if _holds(layer) and (size := _size(layer)) > keep:
            layer.crop(keep - size)


def share(source: Any, target: Any, tokens: int) -> None:
    """Let an empty cuttable cache hold the first `tokens` of another.

    No numbers are copied now: a layer grows by making a larger tensor, so neither cache sees what the other adds.
    """
    _match(source, target)
    for old, new in zip(source.layers, target.layers, strict=True):
        if _holds(old):
            _hold(new, old.keys[..., :tokens, :], old.values[..., :tokens, :])


def join(caches: Sequence[Any], target: Any) -> None:
    """Let an empty cuttable cache hold what several others of one length do, as the rows of a batch."""
    _match(caches[0], target)
    for *rows, whole in zip(*(cache.layers for cache in caches), target.layers, strict=True):
        if _holds(rows[0]):
            _hold(whole, torch.cat([row.keys for row in rows]), torch.cat([row.values for row in rows]))


def divide(joined: Any, caches: Sequence[Any]) -> None:
    """Give every cache its row of a batch. No numbers are copied: a row keeps the whole batch in memory (`own`)."""
    for at, cache in enumerate(caches):
        _match(joined, cache)
        for whole, row in zip(joined.layers, cache.layers, strict=True):
            if _holds(whole):
                _hold(row, whole.keys[at : at + 1], whole.values[at : at + 1])


def own(cache: Any) -> None:
    """Copy what a cache holds, so that nothing but that is kept in memory."""
    for layer in cache.layers:
        if _holds(layer):
            layer.keys, layer.values = layer.keys.clone(), layer.values.clone()


def _match(source: Any, target: Any) -> None:
    while len(target.layers) < len(source.layers):
        target.layers.append(type(source.layers[len(target.layers)])())


def _hold(layer: Any, keys: Tensor, values: Tensor) -> None:
    if not layer.is_initialized:
        layer.lazy_initialization(keys, values)
    layer.keys, layer.values = keys, values


def _holds(layer: Any) -> bool:
    return bool(getattr(layer, "is_initialized", False)) and getattr(layer, "keys", None) is not None


def _size(layer: Any) -> int:
    return int(layer.keys.shape[-2]) if layer.keys.numel() else 0
