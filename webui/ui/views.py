"""Values as the page wants them: articles, chats, meter, status, model. Plain dicts that go out as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from functools import lru_cache
from typing import Any

from backends.constraints import Constraint
from backends.errors import InvalidConstraint, SamovarError
from backends.values import Capabilities, ModelInfo
from webui.accounts import Account
from webui.dialogue import Dialogue, Made, Node
from webui.history.store import Chat, Hit
from webui.job import Job, Status
from webui.levers import Levers
from webui.loader import LoaderState
from webui.presets import Preset
from webui.prompts import Fitted
from webui.ui import i18n, markdown
from webui.ui.structured import structured

TAIL = 60
"""How many messages the page gets at first; earlier ones come when it asks."""

_KEPT_RENDERINGS = 4096


class Views:
    """Makes the page's JSON; remembers the HTML of what was rendered."""

    def __init__(self) -> None:
        self._html: Callable[[str, str], str] = lru_cache(_KEPT_RENDERINGS)(_render)

    def article(self, dialogue: Dialogue, node: Node, language: str) -> dict[str, Any]:
        """Return one message. Of one that is being written the text is left out: it comes by `writing` patches."""
        versions = dialogue.versions(node.id)
        writing = node.state == "writing"
        return {
            "id": node.id,
            "role": node.role,
            "html": "" if writing else self._html(node.role, node.content),
            "text": "" if writing else node.content,
            "reasoning_html": self._html("assistant", node.reasoning) if node.reasoning and not writing else "",
            "version": [versions.index(node.id) + 1, len(versions)],
            "state": node.state,
            "error": sentence(node.made, language),
            "created": node.created,
            "stats": stats(node.made),
            "beams": [list(astuple(branch)) for branch in node.made.beams] if node.made is not None else [],
        }

    def dialogue(self, chat: Chat | None, dialogue: Dialogue, language: str) -> dict[str, Any]:
        """Return the patch that replaces the transcript."""
        path = dialogue.path
        return {
            "kind": "dialogue",
            "chat": None if chat is None else {"id": chat.id, "title": chat.title, "system": chat.system},
            "articles": [self.article(dialogue, node, language) for node in path[-TAIL:]],
            "older": len(path) > TAIL,
        }

    def older(self, chat: Chat | None, dialogue: Dialogue, before: int, language: str) -> dict[str, Any]:
        """Return the patch with the messages above the message `before` of a chat."""
        ids = [node.id for node in dialogue.path]
        at = ids.index(before) if before in ids else 0
        first = max(0, at - TAIL)
        articles = [self.article(dialogue, node, language) for node in dialogue.path[first:at]]
        return {
            "kind": "older", "chat": chat.id if chat is not None else None, "articles": articles, "older": first > 0,
        }  # fmt: skip


def sentence(made: Made | None, language: str) -> str:
    """Return what went wrong with a reply, as a sentence; "" if nothing did."""
    return i18n.error(made.error, made.error_details, language) if made is not None and made.error else ""


def stats(made: Made | None) -> dict[str, Any] | None:
    """Return the figures under a reply; speed in tokens per second, times in seconds."""
    if made is None or made.usage is None or made.timings is None:
        return None
    written, decode = made.usage.completion_tokens, made.timings.decode
    return {
        "model": made.model,
        "tokens": written,
        # The first token comes with the prompt's reading, so the writing time holds one token less.
        "speed": round((written - 1) / decode, 1) if written > 1 and decode > 0 else None,
        "first_token": round(made.timings.first_token, 2),
        "prompt": made.usage.prompt_tokens,
        "cached": made.usage.cached_tokens,
        "seed": made.seed,
        "shape": str(made.shape.get("kind", "")),
    }


def chat(value: Chat, busy: bool) -> dict[str, Any]:
    """Return one row of the chat list."""
    return {"id": value.id, "title": value.title, "updated": value.updated, "busy": busy}


def hello(account: Account, language: str, sign_in: bool) -> dict[str, Any]:
    """Return who the page is for; with `sign_in` there are other people, and a way out."""
    person = {"id": account.id, "name": account.name, "owner": account.owner}
    return {"kind": "hello", "language": language, "account": person, "sign_in": sign_in}


def hit(found: Hit) -> dict[str, Any]:
    """Return one row of what a search found."""
    snippet = [list(piece) for piece in found.snippet]
    return {"chat": found.chat, "title": found.title, "message": found.message, "snippet": snippet}


def levers(value: Levers, origin: str = "") -> dict[str, Any]:
    """Return the levers; the page `origin` set them itself and need not be told."""
    return {
        "kind": "levers",
        "sampling": value.sampling.difference(),
        "start_with": value.start_with,
        "preset": value.preset,
        "shape": value.shape.mapping() if value.shape is not None else None,
        "alternatives": value.alternatives,
        "origin": origin,
    }


def shape(number: int, value: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Return what is wrong with a shape, and where in its text; `number` is the page's own for the question."""
    wrong: dict[str, Any] | None = None
    try:
        Constraint.from_mapping(value)
    except InvalidConstraint as error:
        at, _, path = str(error.details["where"]).partition(" ")
        line, _, column = at.partition(":")
        reason = i18n.reason(str(error.details["reason"]), language)
        wrong = {"line": int(line), "column": int(column), "path": path, "reason": reason}
    return {"kind": "shape", "asked": number, "wrong": wrong}


def presets(found: Sequence[Preset], language: str) -> dict[str, Any]:
    """Return the list of presets."""
    rows = [
        {
            "name": preset.name, "title": preset.title(language), "description": preset.description(language),
            "own": preset.own, "sampling": preset.sampling.difference(),
            "error": i18n.error(preset.error.code, preset.error.details, language) if preset.error else "",
        }
        for preset in found
    ]  # fmt: skip
    return {"kind": "presets", "list": rows}


def status(job: Job | None, language: str) -> dict[str, Any]:
    """Return what happens in a chat."""
    if job is None:
        return {"kind": "status", "phase": "idle"}
    now: Status = job.status
    return {
        "kind": "status",
        "phase": now.phase,
        "place": now.place,
        "done": now.done,
        "total": now.total,
        "speaker": job.speaker,
        "error": i18n.error(now.error.code, now.error.details, language) if now.error is not None else "",
    }


def meter(fitted: Fitted, draft: int, exact: bool = True) -> dict[str, Any]:
    """Return how the window is filled; `draft` tokens of it are in the input box still. `exact`: no estimate."""
    planned = fitted.plan
    return {
        "kind": "meter",
        "used": planned.used,
        "window": planned.window,
        "reserve": planned.reserve,
        "dropped": planned.dropped,
        "first_inside": fitted.first if planned.dropped else None,
        "draft": draft,
        "exact": exact,
        "error": "",
    }


def meter_error(error: SamovarError, window: int, language: str) -> dict[str, Any]:
    """Return the meter of what cannot be sent; shows the numbers of the error where it has them."""
    used = error.details.get("tokens", 0)
    return {
        "kind": "meter", "used": used, "window": window, "reserve": 0, "dropped": 0, "first_inside": None, "draft": 0,
        "exact": True, "error": i18n.error(error.code, error.details, language),
    }  # fmt: skip


def model(state: LoaderState, language: str) -> dict[str, Any]:
    """Return the state of the model: what answers now, and what is on its way."""
    info = state.backend.info if state.backend is not None else ModelInfo("", "", "", 0, 0, "")
    able = state.backend.capabilities if state.backend is not None else None
    return {
        "kind": "model",
        "state": state.stage,
        "name": info.name or state.choice.shown,
        "reference": state.loaded.shown if state.loaded is not None else "",
        "coming": state.choice.shown if state.under_way else "",
        "progress": state.progress if state.under_way else None,
        "engine": info.engine,
        "window": info.window,
        "trained_window": info.trained_window,
        "template": info.template,
        "quantization": info.quantization,
        "parameters": info.parameters,
        "size": info.size_bytes,
        "exact": able is None or able.exact_counts,
        "failed": state.failed.shown if state.failed is not None else "",
        "error": i18n.error(state.error.code, state.error.details, language) if state.error is not None else "",
        "knobs": sorted(able.knobs) if able is not None else None,
        "shapes": sorted(able.constraints) if able is not None else None,
        "reasons": _reasons(able, info.engine or info.name, language) if able is not None else {},
    }


def _reasons(capabilities: Capabilities, engine: str, language: str) -> dict[str, str]:
    """Return why the engine cannot do what it cannot do, by the names of knobs and controls, as sentences."""
    return {
        name: i18n.error(code, {"name": name, "engine": engine}, language)
        for name, code in capabilities.reasons.items()
    }


def _render(role: str, text: str) -> str:
    return markdown.render_user(text) if role == "user" else structured(text) or markdown.render(text)
