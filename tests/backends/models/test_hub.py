"""Fetching from the hub: the real client against a small server, with everything that a network does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session

from backends.errors import (
    DownloadFailed,
    EngineClosed,
    InvalidParameter,
    ModelNotFound,
    ModelUnsupported,
    SamovarError,
)
from backends.models import transfer
from backends.models.hub import Hub
from tests.backends.models.fake_hub import SHA, FakeHub
from tests.backends.models.making import gguf

BODY = gguf() + os.urandom(300_000)
SPLIT = {f"Q8_0/big-Q8_0-{part:05}-of-00003.gguf": BODY[part * 1000 :] for part in (1, 2, 3)}
REPOSITORIES = {
    "user/repo": {
        "README.md": b"# A model",
        "model-Q8_0.gguf": b"GGUF 8",
        "model-Q4_K_M.gguf": BODY,
        "mmproj-model-f16.gguf": b"GGUF projector",
        "../../evil-Q4_K_M.gguf": b"GGUF evil",
    },
    "user/big": {**SPLIT, "Q2_K/big-Q2_K-00001-of-00002.gguf": b"GGUF half"},
    "user/plain": {"model.safetensors": b"{}"},
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setattr(transfer, "WAITS", (0.0,) * 3)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub = FakeHub(REPOSITORIES)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    yield hub
    close_session()
    hub.close()


@pytest.fixture
def shares() -> list[float]:
    return []


@pytest.fixture
def fetch(server: FakeHub, tmp_path: Path, shares: list[float]) -> Callable[..., Path]:
    def take(share: float) -> bool:
        shares.append(share)
        return True

    return lambda repository, quantization="": Hub(tmp_path / "мои модели").fetch(repository, quantization, take)


Fetch = Callable[..., Path]


def test_the_preferred_quantisation_is_fetched_with_progress(
    fetch: Fetch, server: FakeHub, tmp_path: Path, shares: list[float]
) -> None:
    path = fetch("user/repo")
    assert path == tmp_path / "мои модели" / "user" / "repo" / "model-Q4_K_M.gguf"
    assert path.read_bytes() == BODY
    assert server.files_asked == [("model-Q4_K_M.gguf", "")]
    assert server.log[-1][0] == f"/user/repo/resolve/{SHA}/model-Q4_K_M.gguf"
    assert set(server.tokens) == {"Bearer hf_secret"}
    assert shares[0] == 0 and shares[-1] == 1 and shares == sorted(shares) and len(shares) > 3
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("asked", ["q8_0", "Q8_0", "model-q8_0.gguf"])
def test_a_quantisation_or_a_file_can_be_asked_for(fetch: Fetch, asked: str) -> None:
    assert fetch("user/repo", asked).read_bytes() == b"GGUF 8"


def test_an_absent_quantisation_names_what_there_is(fetch: Fetch) -> None:
    with pytest.raises(InvalidParameter) as caught:
        fetch("user/repo", "Q5_K_M")
    assert caught.value.details == {"name": "quantization", "value": "Q5_K_M", "allowed": "Q4_K_M, Q8_0"}


def test_what_is_here_needs_no_network(fetch: Fetch, server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetch("user/repo", "Q8_0")
    server.log.clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert fetch("user/repo", "Q8_0") == fetch("user/repo") == path
    assert server.log == []
    with pytest.raises(DownloadFailed, match="could not be reached"):
        fetch("user/repo", "Q4_K_M")


def test_all_parts_of_a_split_model(fetch: Fetch, server: FakeHub, shares: list[float]) -> None:
    path = fetch("user/big")
    assert path.name == "big-Q8_0-00001-of-00003.gguf"
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == {
        name.rpartition("/")[2]: data for name, data in SPLIT.items()
    }
    assert shares == sorted(shares) and shares[-1] == 1
    path.with_name("big-Q8_0-00002-of-00003.gguf").unlink()
    server.log.clear()
    fetch("user/big")
    assert server.files_asked == [("big-Q8_0-00002-of-00003.gguf", "")], "only what is missing"


def test_a_cut_connection_is_resumed(fetch: Fetch, server: FakeHub) -> None:
    server.cuts = [100_000, 50_000, 0, 1]
    assert fetch("user/repo").read_bytes() == BODY
    spans = [int(span[6:-1]) for _, span in server.files_asked if span]
    assert len(spans) == 4 and spans == sorted(spans)
    assert 0 < spans[0] <= 100_000 and spans[-1] <= 150_001


def test_a_cancelled_download_goes_on_later(fetch: Fetch, server: FakeHub, tmp_path: Path) -> None:
    def until_half(share: float) -> bool:
        return share < 0.5

    with pytest.raises(EngineClosed):
        Hub(tmp_path / "мои модели").fetch("user/repo", "", until_half)
    (part,) = (tmp_path / "мои модели" / "user" / "repo").iterdir()
    assert part.suffix == ".part" and part.stat().st_size >= len(BODY) // 2
    held = part.stat().st_size
    assert fetch("user/repo").read_bytes() == BODY
    assert server.files_asked[-1] == ("model-Q4_K_M.gguf", f"bytes={held}-" if held < len(BODY) else "")


def test_giving_up_at_once_asks_for_nothing(server: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(EngineClosed):
        Hub(tmp_path).fetch("user/repo", "", lambda _: False)
    assert server.log == []


def test_a_server_without_ranges_begins_anew(fetch: Fetch, server: FakeHub) -> None:
    server.ranges = False
    server.cuts = [100_000]
    assert fetch("user/repo").read_bytes() == BODY


def test_a_connection_cut_again_and_again_fails_and_keeps_the_part(fetch: Fetch, server: FakeHub) -> None:
    server.cuts = [1000] + [0] * 20
    with pytest.raises(DownloadFailed, match="could not be reached"):
        fetch("user/repo")
    server.cuts = []
    assert fetch("user/repo").read_bytes() == BODY
    assert server.files_asked[-1][1] == "bytes=1000-"


def test_wrong_bytes_never_stand_under_the_name(fetch: Fetch, server: FakeHub, tmp_path: Path) -> None:
    server.wrong = True
    with pytest.raises(DownloadFailed, match="checksum"):
        fetch("user/repo")
    assert list((tmp_path / "мои модели" / "user" / "repo").iterdir()) == []


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [
        (404, "RepoNotFound", ModelNotFound, "user/other"),
        (401, "RepoNotFound", DownloadFailed, "private"),
        (403, "GatedRepo", DownloadFailed, "terms"),
        (403, "", DownloadFailed, "refuses"),
        (429, "", DownloadFailed, "wait"),
        (503, "", DownloadFailed, "error 503"),
    ],
)
def test_what_the_hub_refuses(
    fetch: Fetch, server: FakeHub, status: int, code: str, kind: type[SamovarError], said: str
) -> None:
    server.refusals["user/other"] = status, code
    with pytest.raises(kind, match=said):
        fetch("user/other")


def test_a_gated_file_says_so(fetch: Fetch, server: FakeHub) -> None:
    server.refusals["files"] = 403, "GatedRepo"
    with pytest.raises(DownloadFailed, match="HF_TOKEN"):
        fetch("user/repo")


def test_a_busy_server_is_asked_again(fetch: Fetch, server: FakeHub) -> None:
    server.refusals["files"] = 503, ""
    with pytest.raises(DownloadFailed, match="503"):
        fetch("user/repo")
    assert len(server.files_asked) == 4


def test_a_repository_without_gguf(fetch: Fetch) -> None:
    with pytest.raises(ModelUnsupported, match="no GGUF"):
        fetch("user/plain")


def test_a_name_that_cannot_be(fetch: Fetch) -> None:
    with pytest.raises(ModelNotFound):
        fetch("user/re--po..")


def test_no_network(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(DownloadFailed, match="could not be reached"):
        fetch("user/repo")


def test_a_full_disk_is_told_before(fetch: Fetch, server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DownloadFailed, match=r"0\.0 GB are free"):
        fetch("user/repo")
    assert server.files_asked == []
