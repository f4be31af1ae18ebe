"""How much may be sent, what goes out with every answer, and what Gradio's own routes give away."""

import http.client
import json
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.webui.security.town import LEVERS, NAVIGATION, PASSWORD, Town, Visitor
from webui.accounts import Accounts
from webui.attempts import Attempts
from webui.headers import FIXED, script_hashes
from webui.network import lan_addresses
from webui.security import MAX_BODY

MEGABYTE = 1024**2
JSON = {"content-type": "application/json"}


def test_a_body_that_says_it_is_too_large_is_refused_unread(home: Town) -> None:
    for path in ("/gradio_api/run/predict", "/v1/chat/completions", "/sign-in", "/nothing"):
        with socket.create_connection(("127.0.0.1", home.port), timeout=10) as raw:
            head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {MAX_BODY + 1}\r\n\r\n"
            raw.sendall(head.encode())
            answer = http.client.HTTPResponse(raw)
            answer.begin()
            said = json.loads(answer.read())
        assert (
            answer.status == 413 and said["error"]["code"] == "body_too_large" and "16 MB" in said["error"]["message"]
        )
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/gradio_api/run/predict", "/v1/chat/completions", "/v1/tokenize"])
def test_a_body_without_a_length_is_cut_off(home: Town, path: str) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", home.port), timeout=10) as raw:
        raw.sendall(f"POST {path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        chunk = b"100000\r\n" + b"[" * MEGABYTE + b"\r\n"
        try:
            while sent < 64 * MEGABYTE:
                raw.sendall(chunk)
                sent += MEGABYTE
        except OSError:
            assert sent >= 16 * MEGABYTE
        else:
            raise AssertionError("64 MB were taken")
    assert home.ask("/health").status == 200


def test_a_chunked_body_that_is_too_large_is_told(home: Town) -> None:
    """As far as the client listens: all of it is sent before the answer is read."""
    with socket.create_connection(("127.0.0.1", home.port), timeout=10) as raw:
        raw.sendall(b"POST /v1/tokenize HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(16):
            raw.sendall(b"100000\r\n" + b"[" * MEGABYTE + b"\r\n")
        raw.sendall(b"1\r\n[\r\n")
        answer = http.client.HTTPResponse(raw)
        answer.begin()
        assert answer.status == 413 and json.loads(answer.read())["error"]["code"] == "body_too_large"


def test_what_fits_is_let_through(home: Town) -> None:
    body = json.dumps({"text": "x"}).encode()
    answer = home.ask("/v1/tokenize", "POST", JSON, body + b" " * (MAX_BODY - len(body)))
    assert answer.status == 200 and json.loads(answer.body)["count"] == 1


@pytest.mark.parametrize("length", ["-1", "x", "9" * 5000, "1, 1", ""])
def test_lengths_that_are_none(home: Town, length: str) -> None:
    with socket.create_connection(("127.0.0.1", home.port), timeout=10) as raw:
        raw.sendall(f"POST /v1/tokenize HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{{}}".encode())
        assert b" 400 " in raw.recv(4096).split(b"\r\n")[0]


def test_a_message_of_five_megabytes_is_answered_with_a_sentence(home: Town) -> None:
    visitor = Visitor(home, "")
    before = home.services.history.chats(1)
    with visitor.live() as live:
        live.send(watch=None)
        live.until("hello")
        assert visitor.act("page", "send", chat=None, text="слово " * 500_000, levers=LEVERS).status == 200
        assert live.until("answer")["ok"] is False, "the page keeps the text in its box"
        notice = next(patch for patch in live.heard if patch["kind"] == "notice")
    assert notice["level"] == "error" and "501,028" in notice["text"] and "8,192" in notice["text"]
    assert home.services.history.chats(1) == before, "nothing of it is kept"


PLACES = ("/", "/people", "/sign-in", "/join/x", "/people.css", "/health", "/config", "/v1/models", "/v1/nothing",
          "/metrics", "/nothing", "/theme.css", "/gradio_api/upload")  # fmt: skip


@pytest.mark.parametrize("path", PLACES)
def test_every_answer_is_secured(home: Town, path: str) -> None:
    answer = home.ask(path, headers={**NAVIGATION, "accept-encoding": "gzip"})
    for name, value in FIXED.items():
        assert answer.headers.get_all(name.decode()) == [value.decode()], name
    policy = answer.headers.get_all("content-security-policy") or []
    assert len(policy) == 1 and "frame-ancestors 'none'" in policy[0]
    assert "'unsafe-inline'" not in policy[0].partition("script-src")[2].partition(";")[0]
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert answer.headers["cache-control"] == "no-store"


def test_refusals_are_secured_too(home: Town, town: Town) -> None:
    for answer in (home.ask("/", headers={"host": "evil.example"}), home.ask("/", headers={"origin": "null"}),
                   town.ask("/"), town.ask("/", headers=NAVIGATION)):  # fmt: skip
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_page_may_run_its_own_scripts_and_no_others(home: Town) -> None:
    answer = home.ask("/?a=%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E&__theme=x'%22%3E%3Cb%3E", headers=NAVIGATION)
    assert "alert(1)" not in answer.text and "<b>" not in answer.text, "nothing of the address gets into the page"
    policy = answer.headers["content-security-policy"]
    assert f"connect-src 'self' ws://127.0.0.1:{home.port}" in policy
    for digest in (hashes := script_hashes(answer.body)):
        assert f"'sha256-{digest}'" in policy
    assert hashes
    assert "sha256" not in home.ask("/people").headers["content-security-policy"]


def test_no_other_site_may_read_or_ask(home: Town) -> None:
    own = {"origin": f"http://127.0.0.1:{home.port}"}
    for path in ("/", "/config", "/v1/models", "/gradio_api/run/predict"):
        for method in ("GET", "OPTIONS"):
            more = {"access-control-request-method": "POST", "access-control-request-headers": "x"}
            answer = home.ask(path, method, {**own, **more})
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


PROXY = {
    "x-forwarded-host": "evil.example", "forwarded": "host=evil.example;proto=https", "x-real-ip": "192.0.2.1",
    "x-forwarded-server": "evil.example", "x-forwarded-prefix": "/evil", "x-forwarded-port": "666",
    "x-gradio-server": "http://evil.example", "x-forwarded-uri": "/evil", "x-original-url": "/evil",
}  # fmt: skip


def test_the_headers_of_proxies_change_no_address(home: Town, town: Town) -> None:
    for path in ("/", "/config", "/theme.css"):
        answer = home.ask(path, headers={**PROXY, **NAVIGATION})
        assert answer.status == 200 and "evil" not in answer.text and "666" not in answer.headers.as_string()
    page = town.ask("/people/invite", "POST", {**PROXY, **town.owner().cookie}).text
    assert "/join/" in page and "evil" not in page


def test_a_neighbour_cannot_say_who_they_are(town: Town) -> None:
    """From this machine a proxy may speak; from the network nobody is believed."""
    address = next(iter(lan_addresses()), None)
    if address is None:
        pytest.skip("this machine is on no network")
    told = []
    for each in range(12):
        more = {"x-forwarded-for": f"192.0.2.{each}", "x-forwarded-proto": "https", "content-length": "17"}
        kind = {"content-type": "application/x-www-form-urlencoded"}
        told.append(
            town.ask("/sign-in", "POST", {**kind, **more}, f"name=n{each:02}&password=".encode(), at=address).status
        )
    assert told == [400] * 10 + [429] * 2
    town.services.accounts._attempts = Attempts(time.monotonic)
    form = urlencode({"name": "Anna", "password": PASSWORD}).encode()
    answer = town.ask("/sign-in", "POST", {**kind, "x-forwarded-proto": "https"}, form, at=address)
    assert answer.status == 303 and "secure" not in answer.headers["set-cookie"].lower()


def test_a_fault_of_ours_tells_nothing_of_its_inside(home: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise KeyError("the inside")

    monkeypatch.setattr(Accounts, "everyone", broken)
    answer = home.ask("/people", headers=NAVIGATION)
    assert answer.status == 500 and "inside" not in answer.text and "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


FILES = (
    "/gradio_api/file={path}", "/gradio_api/file/{path}", "/file={path}", "/file/{path}", "/static/{path}",
    "/assets/{path}", "/svelte/{path}", "/static/..%2f..%2f..%2f..%2f..%2f..%2f..{path}", "/assets/..%2f..{path}",
    "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e{path}", "/gradio_api/file=..%2f..{path}", "/static/%2f{path}",
    "/gradio_api/custom_component/x/client/component/..%2f..{path}", "/gradio_api/proxy=file://{path}",
    "/gradio_api/stream/x/1/1/{path}", "/theme.css/..{path}", "/pwa_icon/..%2f..{path}", "/join/..%2f..{path}",
    "/assets/..%5c..{path}", "//{path}", "/gradio_api/file=file://{path}",
)  # fmt: skip


@pytest.mark.parametrize("form", FILES)
def test_no_route_reads_a_file(home: Town, tmp_path: Path, form: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the samovar recipe")
    database = home.services.settings.data_dir / "samovar.db"
    for path in (secret, database, home.services.settings.secret_file, Path("/etc/passwd"), Path(__file__)):
        data = path.read_bytes()
        answer = home.ask(form.replace("{path}", str(path)))
        assert answer.status in (400, 403, 404, 405) or data[:64] not in answer.body, path


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/gradio_api/upload"), ("POST", "/upload"), ("GET", "/gradio_api/file=http://127.0.0.1:{port}/health"),
     ("GET", "/gradio_api/proxy=http://127.0.0.1:{port}/health"), ("GET", "/gradio_api/deep_link?session_hash=x"),
     ("POST", "/gradio_api/process_recording"), ("POST", "/gradio_api/vibe-code"), ("POST", "/gradio_api/vibe-edit"),
     ("POST", "/gradio_api/component_server"), ("GET", "/gradio_api/info"), ("GET", "/gradio_api/token"),
     ("GET", "/monitoring"), ("GET", "/openapi.json"), ("POST", "/login"), ("GET", "/logout"),
     ("POST", "/gradio_api/call/act"), ("GET", "/gradio_api/runs"), ("GET", "/docs"),
     ("GET", "/gradio_api/dev/reload")],
)  # fmt: skip
def test_what_the_page_does_not_need_of_gradio_is_not_there(home: Town, method: str, path: str) -> None:
    form = (
        b'--x\r\ncontent-disposition: form-data; name="files"; filename="../../evil.html"\r\n\r\n<script>\r\n--x--\r\n'
    )
    answer = home.ask(
        path.replace("{port}", str(home.port)), method, {"content-type": "multipart/form-data; boundary=x"}, form
    )
    assert answer.status == 404


def test_the_sign_in_form_takes_no_files(town: Town) -> None:
    part = b'--x\r\ncontent-disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    form = part % (b"name", b'; filename="a"', b"Anna") + part % (b"password", b"", PASSWORD.encode()) + b"--x--\r\n"
    answer = town.ask("/sign-in", "POST", {"content-type": "multipart/form-data; boundary=x"}, form)
    assert answer.status in (400, 422) and "set-cookie" not in answer.headers


HOSTILE: list[Any] = [
    "", "x", "null", "[]", "1", '"x"', "{}", "{" * 100_000, "[" * 100_000, '{"watch": "1"}', '{"watch": true}',
    '{"watch": 1e400}', '{"watch": NaN}', '{"watch": 1' + "0" * 400 + "}", '{"watch": 1' + "0" * 5000 + "}",
    '{"watch": -9223372036854775809}', '{"older": 123456789012345678901234567890}', '{"chats": 1e400}',
    '{"chats": 1' + "0" * 400 + "}", '{"chats": NaN}', '{"search": "\\ud800"}', '{"search": "\\u0000"}',
    '{"search": "%_\\\\\\"*()"}', '{"search": 1}', '{"typing": "\\ud800"}', '{"typing": "a\\u0000b"}',
    '{"models": true}', '{"look": "\\ud800"}', '{"look": "\\u0000/etc/passwd"}', '{"look": "http://["}',
    *(json.dumps({"look": each}) for each in ("x" * 3000 + ".gguf", "/" + "a/" * 1900, "/dev/zero", "~nobody/x")),
    '{"typing": null}', '{"shape": {"$ref": "#"}, "asked": 1}',
    '{"shape": ' + '{"a":' * 900 + "1" + "}" * 900 + ', "asked": 1}',
    '{"shape": {}, "asked": 1' + "0" * 400 + "}", b"\xff\xfe", b"",
]  # fmt: skip


@pytest.mark.parametrize("said", HOSTILE, ids=lambda at: repr(at)[:30])
def test_the_channel_bears_anything(home: Town, caplog: pytest.LogCaptureFixture, said: str | bytes) -> None:
    with Visitor(home, "").live("page") as live:
        live.send(watch=None)
        live.until("hello")
        live.socket.send(said)
        live.send(search="the end")
        live.until("found", text="the end")
        live.send(typing="x")
        live.until("meter")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


REFERENCES = (
    "\0", "x" * 5000 + ".gguf", "/" + "a/" * 2500, "~nobody/x.gguf", "file:///etc/passwd", "http://[", "http://a:99999",
    "/dev/null", "/dev/zero.gguf", "/proc/self/mem", "../../x", "a/..", "con:", "\ud800.gguf", "", " ",
)  # fmt: skip


@pytest.mark.parametrize(
    "data", [None, 1, "x", [], {}, {"act": None}, {"act": "__class__"}, {"act": "send"},
             {"act": "send", "text": "\ud800", "levers": 1},
             {"act": "send", "text": ["x"], "levers": LEVERS}, {"act": "rename", "chat": 2**70, "title": "x"},
             {"act": "rename", "chat": True, "title": "x"}, {"act": "rename", "chat": "1", "title": "x"},
             {"act": "send", "text": "x", "levers": {"sampling": {"temperature": "hot"}}},
             {"act": "send", "text": "x", "levers": {"sampling": {"temperature": 1e400}}},
             {"act": "send", "text": "x", "levers": {"sampling": {"nonsense": 1}}},
             {"act": "send", "text": "x", "levers": {"sampling": {"temperature": 5.1}}},
             *({"act": "model", "reference": each} for each in REFERENCES),
             {"act": "model", "reference": "x", "options": {"ctx": -1}}],
    ids=lambda at: ascii(at)[:40],
)  # fmt: skip
def test_acts_out_of_nonsense_are_answered(home: Town, caplog: pytest.LogCaptureFixture, data: object) -> None:
    visitor = Visitor(home, "")
    before = home.services.history.chats(1)
    with visitor.live("page") as live:
        live.send(watch=None)
        live.until("hello")
        sent = {**data, "page": "page", "call": 7} if isinstance(data, dict) else data
        assert visitor.run(sent).status in (200, 422)
        if isinstance(data, dict):
            assert live.until("answer", call=7)["ok"] is False
            assert any(patch["kind"] == "notice" and patch["text"] for patch in live.heard)
    assert home.services.history.chats(1) == before
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
