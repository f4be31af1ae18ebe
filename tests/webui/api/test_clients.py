"""The whole server, asked by the clients that people have: OpenAI's own, and one that knows nothing of it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from backends.scripted import Script
from tests.e2e.site import Site

HELLO = "Hello there"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A house on the network, whose model echoes quickly, or writes slowly for ever when it is told to."""
    endless = Script(
        replies=[lambda request: "word " * 4000 if "endless" in str(request.prompt) else f"You said: {HELLO}"],
        delay=0.002,
    )

    async def open_site() -> Site:
        return Site(tmp_path_factory.mktemp("site"), endless, listen=True, password="a samovar on the table")

    # Where no event loop runs, Gradio makes some of its own and never closes them.
    site = asyncio.run(open_site())
    yield site
    site.close()


@pytest.fixture(scope="module")
def key(site: Site) -> str:
    return site.services.keys.make(1)


@pytest.fixture
def client(site: Site, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{site.url}/v1", api_key=key, max_retries=0) as client:
        yield client


def cancelled(site: Site) -> float:
    return site.services.meters.counts().get(("samovar_generations_total", (("end", "cancelled"),)), 0)


async def until_cancelled(site: Site, count: float) -> None:
    for _ in range(1000):
        if cancelled(site) >= count:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it goes on")


def test_openais_client_chats(client: openai.OpenAI) -> None:
    (model,) = client.models.list().data
    assert client.models.retrieve(model.id).id == "scripted"
    said = client.chat.completions.create(
        model=model.id, messages=[{"role": "user", "content": HELLO}], seed=7, extra_body={"min_p": 0.1}
    )
    assert said.choices[0].message.content == f"You said: {HELLO}"
    assert said.choices[0].finish_reason == "stop"
    assert said.usage is not None and said.usage.prompt_tokens_details is not None
    assert (said.usage.prompt_tokens, said.usage.prompt_tokens_details.cached_tokens) == (5, 0)
    assert said.model_extra is not None and said.model_extra["timings"]["decode"] > 0


def test_openais_client_streams(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="scripted",
        messages=[{"role": "user", "content": HELLO}],
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == f"You said: {HELLO}"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.usage is not None and last.usage.completion_tokens == 4


def test_openais_client_completes(client: openai.OpenAI) -> None:
    said = client.completions.create(model="scripted", prompt="Once", max_tokens=2)
    assert said.choices[0].text == "You said:" and said.choices[0].finish_reason == "length"
    chunks = client.completions.create(model="scripted", prompt="Once", stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == f"You said: {HELLO}"


def test_openais_client_asks_for_probabilities(client: openai.OpenAI) -> None:
    asked: Any = {"model": "x", "messages": [{"role": "user", "content": HELLO}], "logprobs": True, "top_logprobs": 2}
    said = client.chat.completions.create(**asked)
    assert said.choices[0].logprobs is not None and said.choices[0].logprobs.content is not None
    whole = [(entry.token, entry.logprob, entry.bytes) for entry in said.choices[0].logprobs.content]
    assert whole[0] == ("You", 0.0, [89, 111, 117])
    assert [top.token for entry in said.choices[0].logprobs.content for top in entry.top_logprobs] == [
        "You", " said:", " Hello", " there",
    ]  # fmt: skip
    streamed = [
        (entry.token, entry.logprob, entry.bytes)
        for chunk in client.chat.completions.create(**asked, stream=True)
        if (told := chunk.choices[0].logprobs) is not None
        for entry in told.content or ()
    ]
    assert streamed == whole
    text = client.completions.create(model="x", prompt="Once", logprobs=1)
    assert text.choices[0].logprobs is not None
    assert text.choices[0].logprobs.tokens == ["You", " said:", " Hello", " there"]
    assert text.choices[0].logprobs.text_offset == [0, 3, 9, 15]


def test_openais_client_knows_our_errors(site: Site, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="x", messages=[{"role": "user", "content": "x"}], temperature=9)
    assert (refused.value.code, refused.value.param) == ("invalid_parameter", "temperature")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="x", input="x")
    with pytest.raises(openai.AuthenticationError) as stranger:
        client.with_options(api_key="sk-made-up").models.list()
    assert stranger.value.code == "invalid_api_key"


def test_who_leaves_a_stream_ends_it(site: Site, client: openai.OpenAI) -> None:
    before = cancelled(site)
    stream = client.chat.completions.create(model="x", messages=[{"role": "user", "content": "endless"}], stream=True)
    assert next(stream).choices
    stream.close()
    asyncio.run(until_cancelled(site, before + 1))


def test_who_does_not_wait_for_an_answer_ends_it(site: Site, client: openai.OpenAI) -> None:
    before = cancelled(site)
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=1.5).chat.completions.create(
            model="x", messages=[{"role": "user", "content": "endless"}]
        )
    asyncio.run(until_cancelled(site, before + 1))


def test_a_client_that_only_speaks_http(site: Site, key: str) -> None:
    """The bytes as curl would show them."""
    with httpx.Client(base_url=site.url, headers={"authorization": f"Bearer {key}"}) as client:
        body = {"messages": [{"role": "user", "content": HELLO}], "stream": True}
        with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
        assert lines[-1] == "data: [DONE]"
        deltas = [json.loads(line[6:])["choices"][0]["delta"].get("content", "") for line in lines[:-1]]
        assert "".join(deltas) == f"You said: {HELLO}"
        assert 'path="/v1/chat/completions",status="200"' in client.get("/metrics").text
        assert client.get("/v1/nothing").json()["error"]["code"] == "not_found"
    assert httpx.get(f"{site.url}/metrics").status_code == 401
    assert httpx.get(f"{site.url}/health").json() == {"status": "ok"}


def test_two_people_are_served_side_by_side(site: Site, key: str) -> None:
    accounts = site.services.accounts
    owner = accounts.everyone()[0]
    guest = accounts.account_of(accounts.accept(accounts.invite(owner).token, "Guest", "tea with jam"))
    assert guest is not None
    theirs = site.services.keys.make(guest.id)

    async def both() -> list[str | None]:
        async def ask(mine: str) -> str | None:
            async with openai.AsyncOpenAI(base_url=f"{site.url}/v1", api_key=mine, max_retries=0) as client:
                said = await client.chat.completions.create(model="x", messages=[{"role": "user", "content": HELLO}])
                return said.choices[0].message.content

        return await asyncio.gather(ask(key), ask(theirs))

    assert asyncio.run(both()) == [f"You said: {HELLO}"] * 2
    assert {request.user for request in site.backend.requests[-2:]} == {"1", str(guest.id)}
    assert site.services.history.chats(1) == site.services.history.chats(guest.id) == []
