"""The page as Gradio sees it: one component, which the scripts fill, and one event, which carries every command.

State comes down the live channel and never through Gradio (see `webui.live`), so the page costs Gradio one component
and a command costs one short request, however long the dialogue is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
from fastapi import FastAPI

from webui.security import account_of
from webui.ui.assets import Assets
from webui.ui.commands import PageCommands

QUEUE_SECONDS = 0.5

# A constant: user data in a template would be evaluated as JavaScript.
_SHELL = '<div id="samovar"></div>'

_ON_LOAD = """
import(BASE + "/main.js").then((module) => module.start(element, (data) => trigger("act", data)));
"""


def build_page(commands: PageCommands, assets: Assets) -> gr.Blocks:
    """Return the page; its only event hands the command's name and data to `commands`."""

    def act(event: gr.EventData, request: gr.Request) -> None:
        data = event._data
        commands.run(account_of(request), data if isinstance(data, Mapping) else {})

    blocks = gr.Blocks(title="Samovar", analytics_enabled=False, fill_height=True, fill_width=True)
    with blocks:
        shell = gr.HTML(
            html_template=_SHELL,
            js_on_load=_ON_LOAD.replace("BASE", json.dumps(assets.base)),
            apply_default_css=False,
            elem_id="samovar-root",
        )
        shell.act(act, queue=False, api_visibility="private", show_progress="hidden", trigger_mode="multiple")
    # Gradio's queue, which nothing here uses, looks for work a thousand times a second, and for progress a hundred
    # times: 5 % of a core for nothing.
    blocks._queue.sleep_when_free = blocks._queue.progress_update_sleep_when_free = QUEUE_SECONDS
    # The same page is the same application after a restart, too.
    blocks.app_id = int(hashlib.sha256(assets.base.encode()).hexdigest()[:12], 16)
    return blocks


def page_app(commands: PageCommands, assets: Assets) -> FastAPI:
    """Return Gradio's whole application, with the page at "/"."""
    app: FastAPI = gr.mount_gradio_app(FastAPI(), build_page(commands, assets), path="/", **_options())
    return app


def _options() -> Mapping[str, Any]:
    """Return what it takes for the page to look like itself and to fetch nothing from elsewhere."""
    return {
        "theme": gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        "footer_links": [],
        "run_history": False,
        "show_error": False,
        "ssr_mode": False,
        "pwa": False,
        "enable_monitoring": False,
        "mcp_server": False,
    }
