"""What answers at an address: which kind of engine, which model, and what can be done with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, urlsplit

from backends.errors import ModelNotFound
from backends.remote import engines
from backends.remote.client import Client
from backends.remote.engines import Engine, Kind
from backends.remote.failures import UNREADABLE, Refused
from backends.remote.frames import Json
from backends.remote.making import (
    Found,
    Wanted,
    attempt,
    part,
    text,
    whole,
    window_of,
    with_engine_template,
    with_estimates,
    with_own_template,
)
from backends.remote.tokenizers import LlamaServerTokenizer, OpenTokenizer

_OWNERS: Mapping[str, Kind] = {
    "vllm": engines.VLLM_ENGINE,
    "sglang": engines.SGLANG_ENGINE,
    "llamacpp": engines.LLAMA_SERVER_ENGINE,
    "samovar": engines.SAMOVAR_ENGINE,
    "koboldcpp": engines.OTHER_ENGINE,
}
"""What engines write into `owned_by` of their models."""
_OPENAI_HOST = "api.openai.com"
# Ollama's templates are Go's; those that ask whether a message is the last one leave the assistant's open.
_LEAVES_OPEN = "$last"
_VERSION = re.compile(r"v?(\d+)\.(\d+)")


def discover(client: Client, wanted: Wanted) -> Engine:
    """Look at the engine, blocking. Raises `Lost`, `Refused`, and `ModelNotFound` for a model that it does not have."""
    card = _card(client)
    kind = _kind(client, card)
    found = Found(
        kind,
        str(card.get("id", "")),
        window=whole(card.get("max_model_len")) or whole(card.get("context_length")),
        trained_window=whole(card.get("trained_window")),
    )
    return _LOOKS.get(kind.name, _look_elsewhere)(client, found, card, wanted)


def _card(client: Client) -> Json:
    """Return what the engine lists of the model that is meant."""
    answer = client.ask("GET", "/v1/models")
    cards = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(cards, list):
        raise Refused(UNREADABLE)
    listed: list[Json] = [card for card in cards if isinstance(card, dict) and isinstance(card.get("id"), str)]
    name = client.address.model
    for card in listed:
        if not name or name in (card["id"], card["id"].rpartition("/")[2], *_aliases(card)):
            return card
    raise ModelNotFound(model=f"{client.address.root}#{name}" if name else client.address.root)


def _aliases(card: Json) -> Sequence[str]:
    """Return other names of a model; Ollama's default tag may be left out."""
    known = card.get("aliases")
    return (*(known if isinstance(known, list) else ()), card["id"].removesuffix(":latest"))


def _kind(client: Client, card: Json) -> Kind:
    if known := _OWNERS.get(str(card.get("owned_by"))):
        return known
    if urlsplit(client.address.root).hostname == _OPENAI_HOST:
        return engines.OPENAI_ENGINE
    for path, key, kind in (
        ("/props", "default_generation_settings", engines.LLAMA_SERVER_ENGINE),
        ("/api/v0/models", "data", engines.LM_STUDIO_ENGINE),
        ("/api/version", "version", engines.OLLAMA_ENGINE),
        ("/version", "version", engines.VLLM_ENGINE),
        ("/get_model_info", "model_path", engines.SGLANG_ENGINE),
    ):
        if key in attempt(client.ask, "GET", path):
            return kind
    return engines.OTHER_ENGINE


def _look_at_llama_server(client: Client, found: Found, card: Json, wanted: Wanted) -> Engine:
    props = attempt(client.ask, "GET", f"/props?model={quote(found.model, safe='')}")
    meta = part(card, "meta")
    template = props.get("chat_template")
    found = replace(
        found,
        window=whole(part(props, "default_generation_settings").get("n_ctx")) or whole(meta.get("n_ctx")),
        trained_window=whole(meta.get("n_ctx_train")),
        source=template if isinstance(template, str) else "",
        bos=text(props.get("bos_token")),
        eos=text(props.get("eos_token")),
        quantization=text(props.get("model_ftype")),
        parameters=whole(meta.get("n_params")),
        size_bytes=whole(meta.get("size")),
        slots=whole(props.get("total_slots")),
        vocabulary=whole(meta.get("n_vocab")),
    )
    if not found.window:  # a router that has not loaded the model yet
        return with_estimates(replace(found, kind=replace(found.kind, text=engines.OTHER_ENGINE.text)), wanted)
    return with_own_template(found, wanted, LlamaServerTokenizer(client, found.model))


def _look_at_vllm(client: Client, found: Found, _: Json, wanted: Wanted) -> Engine:
    version = attempt(client.ask, "GET", "/version").get("version")
    if isinstance(version, str) and (told := _VERSION.match(version)) and (int(told[1]), int(told[2])) < (0, 11):
        found = replace(found, kind=engines.VLLM_BEFORE_ENGINE)
    return _with_tokenizer(client, found, wanted)


def _look_at_sglang(client: Client, found: Found, _: Json, wanted: Wanted) -> Engine:
    server = attempt(client.ask, "GET", "/get_server_info") or attempt(client.ask, "GET", "/server_info")
    if server.get("enable_deterministic_inference") is True:
        found = replace(found, kind=engines.SGLANG_SEEDED_ENGINE)
    window = found.window or whole(server.get("context_length")) or whole(server.get("max_req_input_len"))
    return _with_tokenizer(client, replace(found, window=window), wanted)


def _look_at_samovar(client: Client, found: Found, card: Json, wanted: Wanted) -> Engine:
    found = replace(
        found,
        weights=text(card.get("fingerprint")),
        architecture=text(card.get("architecture")),
        quantization=text(card.get("quantization")),
        parameters=whole(card.get("parameters")),
        size_bytes=whole(card.get("size_bytes")),
        kind=replace(
            found.kind,
            shaping=found.kind.shaping.only(card.get("constraints")),
            alternatives=min(whole(card.get("alternatives")), found.kind.alternatives),
        ),
    )
    return with_engine_template(found, wanted, OpenTokenizer(client, found.model, "/v1", strict=True), trusted=True)


def _with_tokenizer(client: Client, found: Found, wanted: Wanted) -> Engine:
    for prefix in ("", "/v1"):
        tokenizer = OpenTokenizer(client, found.model, prefix)
        try:
            if wanted.template:
                return with_own_template(replace(found, bos=tokenizer.write(tokenizer.begin())), wanted, tokenizer)
            return with_engine_template(found, wanted, tokenizer, trusted=False)
        except Refused as refusal:
            if refusal.passing:
                raise
    return with_estimates(found, wanted)


def _look_at_ollama(client: Client, found: Found, _: Json, wanted: Wanted) -> Engine:
    shown = attempt(client.ask, "POST", "/api/show", {"model": found.model})
    about, details = part(shown, "model_info"), part(shown, "details")
    architecture = text(about.get("general.architecture"))
    template = shown.get("template")
    opens = isinstance(template, str) and _LEAVES_OPEN in template
    found = replace(
        found,
        kind=replace(found.kind, prefill={} if opens else None),
        window=wanted.window or _ollama_window(client, found.model, shown),
        trained_window=whole(about.get(f"{architecture}.context_length")),
        architecture=architecture,
        quantization=text(details.get("quantization_level")),
        parameters=whole(about.get("general.parameter_count")),
    )
    if found.trained_window:
        found = replace(found, window=min(found.window, found.trained_window))
    return with_estimates(found, wanted, {"options": {"num_ctx": window_of(found, wanted)}})


def _ollama_window(client: Client, model: str, shown: Json) -> int:
    """Return the window that the model is loaded with, or would be, as far as Ollama tells."""
    running = attempt(client.ask, "GET", "/api/ps").get("models")
    for each in running if isinstance(running, list) else ():
        if isinstance(each, dict) and each.get("model") == model and whole(each.get("context_length")):
            return whole(each.get("context_length"))
    lines = [line.split() for line in str(shown.get("parameters", "")).splitlines()]
    set_to = [int(words[1]) for words in lines if len(words) == 2 and words[0] == "num_ctx" and words[1].isdecimal()]
    return set_to[0] if set_to else 4096


def _look_at_lm_studio(client: Client, found: Found, _: Json, wanted: Wanted) -> Engine:
    listed = attempt(client.ask, "GET", "/api/v0/models").get("data")
    cards = [card for card in listed if isinstance(card, dict)] if isinstance(listed, list) else []
    if not client.address.model:
        loaded = [card for card in cards if card.get("state") == "loaded" and card.get("type") in ("llm", "vlm")]
        found = replace(found, model=str(loaded[0].get("id", found.model))) if loaded else found
    card = next((card for card in cards if card.get("id") == found.model), {})
    longest = whole(card.get("max_context_length"))
    found = replace(
        found,
        window=whole(card.get("loaded_context_length")) or found.window or min(longest, 4096),
        trained_window=longest,
        architecture=text(card.get("arch")),
        quantization=text(card.get("quantization")),
    )
    return with_estimates(found, wanted)


def _look_elsewhere(_: Client, found: Found, __: Json, wanted: Wanted) -> Engine:
    return with_estimates(found, wanted)


_LOOKS: Mapping[str, Callable[[Client, Found, Json, Wanted], Engine]] = {
    engines.LLAMA_SERVER_ENGINE.name: _look_at_llama_server,
    engines.VLLM_ENGINE.name: _look_at_vllm,
    engines.SGLANG_ENGINE.name: _look_at_sglang,
    engines.SAMOVAR_ENGINE.name: _look_at_samovar,
    engines.OLLAMA_ENGINE.name: _look_at_ollama,
    engines.LM_STUDIO_ENGINE.name: _look_at_lm_studio,
}
