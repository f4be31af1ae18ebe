"""The page's own files: scripts, styles, and the table of words and knobs that the scripts are drawn from.

Their address holds a digest of all of them, so browsers keep them for good and a new version is a new address.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from fastapi import APIRouter
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from backends.sampling import SAMPLER_STEPS, Group, Knob, SamplingParams, knobs
from backends.values import MAX_ALTERNATIVES
from webui.levers import ALTERNATIVES
from webui.surroundings import Language
from webui.ui import i18n

FOLDER = Path(__file__).parent / "assets"
STYLES = (
    "base.css",
    "shell.css",
    "chats.css",
    "transcript.css",
    "rendered.css",
    "beams.css",
    "composer.css",
    "levers.css",
    "shape.css",
    "overlay.css",
    "model.css",
)
"""The style sheets in the order in which they are joined."""

_TYPES: Mapping[str, str] = {".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
_FOR_GOOD = "private, max-age=31536000, immutable"


class Assets:
    """The files, read once. `base` is the address below which they are found, `scripts` the names of the scripts."""

    def __init__(self) -> None:
        files = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.js"))}
        files["style.css"] = b"\n".join((FOLDER / name).read_bytes() for name in STYLES)
        for language in get_args(Language):
            files[f"table.{language}.json"] = json.dumps(table(language), ensure_ascii=False).encode()
        self._files = files
        self.scripts = tuple(name for name in files if name.endswith(".js"))
        digest = hashlib.sha256(b"\0".join(name.encode() + b"\0" + data for name, data in files.items()))
        self.base = f"/assets/{digest.hexdigest()[:16]}"

    def router(self) -> APIRouter:
        """Return the route of the files."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(self.base + "/{name}", self._file, methods=["GET", "HEAD"])
        return router

    def _file(self, name: str) -> Response:
        if (data := self._files.get(name)) is None:
            return Response(status_code=404)
        return Response(data, media_type=_TYPES[Path(name).suffix], headers={"cache-control": _FOR_GOOD})


class GradioFiles(StaticFiles):
    """A folder of Gradio's own files, straight from its package: that takes no Gradio."""

    def __init__(self, folder: str, *, for_good: bool = False) -> None:
        """Serve `folder` of its frontend; `for_good` where the files' names hold digests, as ours do."""
        found = find_spec("gradio")
        assert found is not None and found.submodule_search_locations
        super().__init__(directory=Path(found.submodule_search_locations[0], "templates", "frontend", folder))
        self._for_good = for_good

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """See `StaticFiles.file_response`."""
        response = super().file_response(*args, **kwargs)
        if self._for_good:
            response.headers["cache-control"] = _FOR_GOOD
        return response


@lru_cache
def table(language: Language) -> Mapping[str, Any]:
    """Return what the page's scripts need to draw everything in a language."""
    return {
        "language": language,
        "words": dict(i18n.table(language)),
        "groups": [{"name": name, "label": i18n.group(name, language)} for name in get_args(Group)],
        "knobs": [_knob(name, knob, language) for name, knob in knobs().items()],
        "alternatives": _alternatives(language),
        "steps": list(SAMPLER_STEPS),
    }


def _alternatives(language: Language) -> Mapping[str, Any]:
    """Return the lever that is no knob of the draw: how many alternatives are told of each token."""
    words = i18n.table(language)
    return {
        "name": "alternatives", "kind": "int", "group": "expert", "neutral": ALTERNATIVES, "minimum": 0,
        "maximum": MAX_ALTERNATIVES, "top": MAX_ALTERNATIVES, "step": 1, "choices": [],
        "label": words["levers.alternatives"], "help": words["levers.alternatives.help"],
    }  # fmt: skip


def _knob(name: str, knob: Knob, language: Language) -> Mapping[str, Any]:
    words = i18n.knob(name, language)
    top = knob.slider_maximum if knob.slider_maximum is not None else knob.maximum
    return {
        "name": name,
        "kind": knob.kind,
        "group": knob.group,
        "label": words.label,
        "help": words.help,
        "neutral": getattr(SamplingParams(), name),
        "minimum": knob.minimum if knob.minimum > float("-inf") else None,
        "maximum": knob.maximum if knob.maximum < float("inf") else None,
        "top": top if top < float("inf") else None,
        "step": knob.step,
        "choices": list(knob.choices),
    }
