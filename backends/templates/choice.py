"""Which template a model is used with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from backends.errors import InvalidParameter
from backends.templates.formats import FORMATS
from backends.templates.template import ChatTemplate, Think

THINK: Think = ("<think>", "</think>")

# Names under which models without a template of their own go about; the first that is found counts.
_BY_NAME = (
    (r"saiga.*llama-?_?3", "saiga-llama-3"),
    (r"saiga_?-?2|saiga_?-?(7|13|30)b", "saiga-2"),
    (r"saiga", "saiga"),
    (r"ru-?gpt", "plain-ru"),
    (r"vicuna", "vicuna"),
    (r"alpaca", "alpaca"),
    (r"zephyr", "zephyr"),
    (r"falcon.*180b.*chat", "falcon-180b"),
    (r"falcon.*(instruct|chat)", "falcon"),
    (r"llama-?_?2.*chat", "llama-2"),
    (r"llama-?_?3.*instruct", "llama-3"),
    (r"gemma.*(-it\b|_it\b|instruct)", "gemma"),
    (r"phi-?_?3", "phi-3"),
    (r"mistral.*nemo.*instruct", "mistral-tekken"),
    (r"mistral.*small.*instruct", "mistral-v7"),
    (r"mistral.*instruct.*v0\.?3", "mistral-v3"),
    (r"mi[sx]tral.*instruct", "mistral-v1"),
)
# Tokens that only a model trained on the format has.
_BY_TOKENS = (
    (frozenset(["<|im_start|>", "<|im_end|>"]), "chatml"),
    (frozenset(["<|user|>", "<|assistant|>", "<|end|>"]), "phi-3"),
)


def choose_template(
    name: str, source: str | None, bos: str, eos: str, marks: Collection[str] = (), model: str = ""
) -> ChatTemplate:
    """Return the template called `name`, or the model's own (`source`), or the one that fits the model best.

    `marks`: the texts of the vocabulary's control and added tokens. `model`: what the model is called, as much as is
    known: architecture, name, file. Raises `InvalidParameter` for an unknown name.
    """
    known = frozenset(marks)
    think = THINK if THINK[1] in (source or "") or known.issuperset(THINK) else None
    if source and not name:
        digest = hashlib.sha256(source.encode("utf-8", "replace")).hexdigest()[:12]
        return ChatTemplate(f"own-{digest}", source, bos=bos, eos=eos, think=think)
    name = name or default_format(known, model)
    if name not in FORMATS:
        raise InvalidParameter(name="template", value=name, allowed=", ".join(FORMATS))
    chosen = FORMATS[name]
    # Where a stop is a token, it ends the turn as one; as a string it would also end a reply that speaks of it.
    stops = [stop for stop in chosen.stops if stop not in known]
    return ChatTemplate(name, chosen.source, bos=bos, eos=eos, stops=stops, think=think)


def default_format(marks: Collection[str], model: str) -> str:
    """Return the name of the format for a model without a template: by its name, then its tokens, else plain."""
    for pattern, name in _BY_NAME:
        if re.search(pattern, model.lower()):
            return name
    known = frozenset(marks)
    return next((name for tokens, name in _BY_TOKENS if tokens <= known), "plain")
