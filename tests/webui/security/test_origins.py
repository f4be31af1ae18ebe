"""By which name, from whose page: what is refused before any handler, over HTTP and over the WebSocket."""

from collections.abc import Iterator, Mapping, Sequence

import pytest

from tests.webui.security.town import NAVIGATION, UPGRADE, Headers, Town, Visitor
from webui.hosts import AllowedHosts
from webui.network import lan_addresses
from webui.tunnel import open_tunnel

PATHS = (
    "/", "/config", "/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/upload", "/upload",
    "/gradio_api/file=/etc/passwd", "/file=/etc/passwd", "/gradio_api/heartbeat/x", "/theme.css", "/assets/x",
    "/v1/models", "/v1/chat/completions", "/live", "/metrics", "/people", "/people/invite", "/sign-in", "/sign-out",
    "/people.css", "/health", "/join/x", "/nothing",
)  # fmt: skip
FOREIGN_HOSTS: Sequence[str | Sequence[str]] = (
    "evil.example", "evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0:{port}",
    "127.0.0.2:{port}", "[::2]:{port}", "2130706433:{port}", "localhost@evil.example", "localhost:99999",
    "localhost:", "local host", "localhost/", "lоcalhost", "", (), ("localhost:{port}", "localhost:{port}"),
    ("localhost:{port}", "evil.example"), ("evil.example", "localhost:{port}"),
)  # fmt: skip
FOREIGN_ORIGINS: Sequence[str | Sequence[str]] = (
    "http://evil.example", "http://127.0.0.1", "http://127.0.0.1:3000", "https://127.0.0.1:{port}", "null", "",
    "http://localhost:{port}", "http://127.0.0.1:{port}.evil.example", "http://evil.example@127.0.0.1:{port}",
    "http://127.0.0.1:{port}/", "ws://127.0.0.1:{port}", "chrome-extension://x", "file://", "127.0.0.1:{port}",
    ("http://127.0.0.1:{port}", "http://evil.example"),
)  # fmt: skip


def filled(town: Town, value: str | Sequence[str]) -> str | list[str]:
    """Write the port into a header; non-ASCII goes as the bytes that a client would send."""
    if isinstance(value, str):
        return value.replace("{port}", str(town.port)).encode().decode("latin-1")
    return [str(filled(town, each)) for each in value]


@pytest.fixture(params=["home", "town"])
def place(request: pytest.FixtureRequest) -> Town:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Town)
    return found


@pytest.fixture
def reached(place: Town, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths of what the application gets to see."""
    seen: list[str] = []
    guard = place.guard
    inside = guard._app

    async def watched(scope: Mapping[str, object], receive: object, send: object) -> None:
        seen.append(str(scope["path"]))
        await inside(scope, receive, send)  # type: ignore[arg-type]

    monkeypatch.setattr(guard, "_app", watched)
    yield seen


@pytest.mark.parametrize("host", FOREIGN_HOSTS, ids=repr)
def test_a_foreign_host_gets_nowhere(place: Town, reached: list[str], host: str | Sequence[str]) -> None:
    for path in ("/", "/live", "/v1/models", "/gradio_api/run/predict"):
        for method, more in (("GET", {}), ("POST", {}), ("GET", UPGRADE), ("GET", NAVIGATION)):
            answer = place.ask(path, method, {**more, "host": filled(place, host)})
            assert answer.status in ((403, 400) if more is UPGRADE else (421, 400)), (path, method)
    assert reached == []


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS, ids=repr)
def test_a_foreign_origin_gets_nowhere(place: Town, reached: list[str], origin: str | Sequence[str]) -> None:
    headers: Headers = {"origin": filled(place, origin)}
    for path in ("/", "/live", "/v1/models", "/gradio_api/run/predict", "/sign-in"):
        for method in ("GET", "POST", "OPTIONS", "DELETE"):
            answer = place.ask(path, method, headers)
            assert (answer.status, answer.code) == (403, "foreign_origin"), (path, method)
            assert "access-control-allow-origin" not in answer.headers
        assert place.ask(path, headers={**UPGRADE, **headers}).status in (403, 400)
    assert reached == []


@pytest.mark.parametrize("path", PATHS)
def test_every_route_is_behind_the_guard(place: Town, reached: list[str], path: str) -> None:
    foreign: Sequence[tuple[Headers, int]] = (
        ({"host": "evil.example"}, 421),
        ({"host": []}, 400),
        ({"origin": "http://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, 403),
        ({"sec-fetch-site": "cross-site", **NAVIGATION, "sec-fetch-dest": "iframe"}, 403),
    )
    for headers, status in foreign:
        for method in ("GET", "POST"):
            assert place.ask(path, method, headers).status == status, (method, headers)
        assert place.ask(path, headers={**UPGRADE, **headers}).status in (400, 403), headers
    # A browser always says the origin of a WebSocket's page.
    assert place.ask(path, headers=UPGRADE).status == 403
    assert reached == []


def test_a_cross_site_form_is_refused_even_as_a_navigation(place: Town, reached: list[str]) -> None:
    headers = {**NAVIGATION, "sec-fetch-site": "cross-site"}
    assert place.ask("/people/invite", "POST", headers).status == 403
    assert reached == []


def test_a_link_on_another_site_opens_a_page_and_nothing_else(home: Town, town: Town, anna: Visitor) -> None:
    link = {**NAVIGATION, "sec-fetch-site": "cross-site"}
    assert home.ask("/", headers=link).status == 200
    assert home.ask("/people", headers=link).status == 200
    for path in ("/gradio_api/info", "/v1/models", "/metrics", "/live"):
        assert home.ask(path, headers=link).status == 403
    # The cookie is SameSite=Strict: the browser keeps it back once, and sends it when our own page asks.
    answer = town.ask("/people?done=%22%3E%3Cscript%3E", headers=link)
    assert answer.status == 200 and 'content="0;url=/people?done=%22%3E%3Cscript%3E"' in answer.text
    assert "<script" not in answer.text
    assert anna.ask("/people", headers=link).status == 200


@pytest.mark.parametrize(
    "host", ["localhost:{port}", "LOCALHOST:{port}", "127.0.0.1:{port}", "[::1]:{port}", "localhost", "[0:0::1]"]
)
def test_our_own_names_pass(place: Town, host: str) -> None:
    name = str(filled(place, host))
    assert place.ask("/health", headers={"host": name}).status == 200
    own = {"host": name, "origin": f"http://{name}", "sec-fetch-site": "same-origin"}
    assert place.ask("/health", headers=own).status == 200
    if place.guard._require_sign_in:
        assert place.ask("/sign-out", "POST", own).status == 303
    else:
        assert place.ask("/live", headers={**own, **UPGRADE}).status == 101


def test_the_address_at_home_passes_when_the_house_is_open(town: Town) -> None:
    address = next(iter(lan_addresses()), None)
    if address is None:
        pytest.skip("this machine is on no network")
    assert town.ask("/health", at=address).status == 200
    # Where the connection did not arrive, the name is somebody's idea.
    assert town.ask("/health", headers={"host": f"{address}:{town.port}"}).status == 421
    assert town.ask("/health", headers={"host": f"192.0.2.7:{town.port}"}, at=address).status == 421
    assert town.ask("/health", headers={"host": "evil.example"}, at=address).status == 421
    signed = town.ask("/sign-in", headers=NAVIGATION, at=address)
    assert signed.status == 200 and "password" in signed.text


def test_names_that_are_allowed_pass_and_may_be_https(town: Town) -> None:
    hosts = town.guard._hosts
    assert town.ask("/health", headers={"host": "chat.example"}).status == 421
    hosts.add("https://chat.example")
    own = {"host": "chat.example", "origin": "https://chat.example"}
    assert town.ask("/health", headers=own).status == 200
    assert town.ask("/health", headers={**own, "origin": "http://chat.example"}).status == 403
    assert town.ask("/health", headers={**own, "host": "other.chat.example"}).status == 421
    answer = town.post("/sign-in", {"name": "x", "password": "y"}, own)
    assert answer.status == 400 and "wss://chat.example" not in answer.text


def test_the_tunnel_brings_its_own_name() -> None:
    hosts, asked = AllowedHosts(listening=True), []

    def setup(
        local_host: str, local_port: int, share_token: str, share_server_address: str | None,
        share_server_tls_certificate: str | None,
    ) -> str:  # fmt: skip
        asked.append((local_host, local_port, share_server_address, share_server_tls_certificate))
        assert len(share_token) >= 32
        return "http://abc123.gradio.live"

    assert hosts.own("abc123.gradio.live", "http", "127.0.0.1") is None
    assert open_tunnel(setup, 7860, hosts) == "https://abc123.gradio.live"
    own = hosts.own("abc123.gradio.live", "http", "127.0.0.1")
    assert str(own) == "https://abc123.gradio.live" and asked == [("127.0.0.1", 7860, None, None)]
    assert hosts.own("other.gradio.live", "http", "127.0.0.1") is None


def test_a_refusal_speaks_the_reader_s_language_and_kind(place: Town) -> None:
    foreign = {"host": "evil.example"}
    said = place.ask("/", headers={**foreign, "accept": "text/html", "accept-language": "ru-RU,ru;q=0.9"})
    assert said.status == 421 and "не знает такого имени" in said.text
    assert said.headers["content-type"].startswith("text/plain")
    assert place.ask("/v1/models", headers=foreign).code == "foreign_host"
