"""The page before Gradio is there: what was kept at the last start, and what comes when nothing was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse

from webui.ui.frame import PAGE, THEME, Frame
from webui.ui.late import Late

HEAD = "<title>ours</title>"


def gradio(text: str = "one") -> FastAPI:
    """Something that answers as Gradio does: with the address by which it was asked."""
    app = FastAPI()
    app.add_api_route(
        PAGE, lambda: HTMLResponse(f"<html><head></head>{text} http://samovar.invalid/x</html>"), response_model=None
    )
    app.add_api_route(THEME, lambda: PlainTextResponse(f"/* {text} */"), response_model=None)
    return app


def served(frame: Frame) -> FastAPI:
    app = FastAPI()
    app.add_api_route(PAGE, frame.page, response_model=None)
    app.add_api_route(THEME, frame.theme, response_model=None)
    return app


async def asked(app: FastAPI, path: str) -> str:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://home.local:7860") as client:
        return (await client.get(path)).raise_for_status().text


def test_a_kept_page_needs_no_gradio_and_names_the_address_of_the_browser(tmp_path: Path) -> None:
    async def run() -> None:
        await Frame(tmp_path, HEAD).take(gradio())
        again = served(Frame(tmp_path, HEAD))
        assert await asked(again, PAGE) == f"<html><head>{HEAD}</head>one http://home.local:7860/x</html>"
        assert await asked(again, THEME) == "/* one */"

    asyncio.run(run())


def test_without_a_kept_page_requests_wait_for_gradio(tmp_path: Path) -> None:
    async def run() -> None:
        frame = Frame(tmp_path, HEAD)
        waiting = asyncio.create_task(asked(served(frame), PAGE))
        await asyncio.sleep(0)
        assert not waiting.done()
        await frame.take(gradio())
        assert "one" in await waiting

    asyncio.run(run())


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"/": 1}', '{"/": "x"}'])
def test_what_is_broken_is_made_again(tmp_path: Path, broken: str) -> None:
    async def run() -> None:
        await Frame(tmp_path, HEAD).take(gradio())
        [file] = tmp_path.iterdir()
        file.write_text(broken)
        await Frame(tmp_path, HEAD).take(gradio("two"))
        assert "two" in await asked(served(Frame(tmp_path, HEAD)), PAGE)

    asyncio.run(run())


def test_another_head_makes_another_page_in_its_place(tmp_path: Path) -> None:
    async def run() -> None:
        await Frame(tmp_path, HEAD).take(gradio())
        await Frame(tmp_path, HEAD + HEAD).take(gradio())
        assert len(list(tmp_path.iterdir())) == 1

    asyncio.run(run())


def test_a_folder_that_cannot_be_written_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def run() -> None:
        frame = Frame(tmp_path / "file" / "cache", HEAD)
        await frame.take(gradio())
        assert "one" in await asked(served(frame), PAGE)

    asyncio.run(run())


def test_a_request_to_a_late_application_waits_for_it() -> None:
    async def run() -> None:
        told: list[object] = []

        async def ready(app: object) -> None:
            told.append(app)

        late = Late(gradio, ready)
        async with late.opened():
            app = FastAPI()
            app.mount("/", late)
            assert "one" in await asked(app, PAGE)
            assert len(told) == 1

    asyncio.run(run())


def test_a_request_that_waits_when_the_server_ends_is_answered() -> None:
    async def run() -> None:
        go = asyncio.Event()
        waiting = asyncio.create_task(_waiting(go))
        await go.wait()
        waiting.cancel()
        with pytest.raises(HTTPException):
            await waiting

    async def _waiting(go: asyncio.Event) -> None:
        late = Late(gradio, lambda _: asyncio.Event().wait())  # type: ignore[arg-type,return-value]
        async with late.opened():
            go.set()
            await late({"type": "http"}, None, None)  # type: ignore[arg-type]

    asyncio.run(run())


def test_nobody_waits_for_a_page_that_cannot_be_made(tmp_path: Path) -> None:
    frame = Frame(tmp_path, "")
    frame.give_up()
    with pytest.raises(HTTPException) as refused:
        asyncio.run(frame.theme())
    assert refused.value.status_code == 500
