"""Addresses and keys: what is read from them, and what of them is ever shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from backends.errors import ModelNotFound, ModelUnavailable
from backends.remote.address import Address, addresses, masked
from backends.remote.credentials import Secrets, authorization, key_for


@pytest.mark.parametrize(
    ("reference", "root", "model"),
    [
        ("http://a:8000", "http://a:8000", ""),
        ("http://a:8000/", "http://a:8000", ""),
        ("HTTP://A:8000/v1", "http://a:8000", ""),
        ("http://a/v1/", "http://a", ""),
        ("http://a/v1/chat/completions", "http://a", ""),
        ("http://a/v1/models#m", "http://a", "m"),
        ("https://host/llm/api/v1#org/name%20x", "https://host/llm/api", "org/name x"),
        ("http://[::1]:9/v1", "http://[::1]:9", ""),
        ("  http://127.0.0.1:8000  ", "http://127.0.0.1:8000", ""),
    ],
)
def test_one(reference: str, root: str, model: str) -> None:
    (found,) = addresses(reference)
    assert (found.root, found.model) == (root, model)


def test_several() -> None:
    found = addresses("http://a:1#x,y, https://b/v1 ,http://a:1#x,y")
    assert [(each.root, each.model) for each in found] == [("http://a:1", "x,y"), ("https://b", "")]


def test_credentials_are_read_and_not_shown() -> None:
    (found,) = addresses("https://m%40x:p%3Aw@host:1/v1?key=k%20y&v=#model")
    assert (found.user, found.password, found.query) == ("m@x", "p:w", (("key", "k y"), ("v", "")))
    assert found.root == "https://host:1"
    assert found.secrets == ("p:w", "k y")
    assert "p:w" not in repr(found) and "k y" not in repr(found)


@pytest.mark.parametrize(
    "reference", ["http://", "http:///v1", "http://a:b:c", "http://a:99999", "http://[::1", "http://a b", "ftp://a", "http://a,b"]
)  # fmt: skip
def test_no_address(reference: str) -> None:
    with pytest.raises(ModelNotFound):
        addresses(reference)


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ("http://a:8000/v1#m", "http://a:8000/v1#m"),
        ("http://u:p@a", "http://***@a"),
        ("http://u:p/w@x@a/v1", "http://***@a/v1"),
        ("https://a/?key=s3cret&x=y#m=n", "https://a/?key=***&x=***#m=n"),
        ("http://u:p@a,http://v:q@b?k=s", "http://***@a,http://***@b?k=***"),
        ("/models/what?a=b.gguf", "/models/what?a=b.gguf"),
    ],
)
def test_masked(reference: str, shown: str) -> None:
    assert masked(reference) == shown


def test_a_broken_address_is_masked_too() -> None:
    with pytest.raises(ModelNotFound) as caught:
        addresses("http://me:secret@a:port/")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("root", "environ", "key"),
    [
        ("http://a", {}, ""),
        ("http://a", {"SAMOVAR_API_KEY": " k1\n"}, "k1"),
        ("http://gpu-box.lan:8000", {"SAMOVAR_API_KEY": "k1", "SAMOVAR_API_KEY_GPU_BOX_LAN": "k2"}, "k2"),
        ("http://a:80", {"SAMOVAR_API_KEY_A": "k2", "SAMOVAR_API_KEY_A_80": "k3"}, "k3"),
        ("http://[::1]:9", {"SAMOVAR_API_KEY_1": "no", "SAMOVAR_API_KEY_1_9": "k4"}, "k4"),
        ("http://b", {"SAMOVAR_API_KEY_A": "k2"}, ""),
    ],
)
def test_keys(root: str, environ: Mapping[str, str], key: str) -> None:
    assert key_for(Address(root), environ) == key


def test_a_key_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    environ = {"SAMOVAR_API_KEY_FILE": str(tmp_path / "key")}
    assert key_for(Address("http://a"), environ) == "from-file"
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        key_for(Address("http://a"), {"SAMOVAR_API_KEY_FILE": str(tmp_path / "none")})
    (tmp_path / "key").write_bytes(b"\xff\xfe\0")
    with pytest.raises(ModelUnavailable, match="it is not text"):
        key_for(Address("http://a"), environ)


@pytest.mark.parametrize("key", ["ключ-от-дома", "two words", "a\nb"])
def test_a_key_that_cannot_be_sent_is_not_shown(key: str) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        key_for(Address("http://a"), {"SAMOVAR_API_KEY": key})
    assert key not in str(caught.value)


def test_authorization() -> None:
    assert authorization(Address("http://a"), "") == ""
    assert authorization(Address("http://a"), "k") == "Bearer k"
    assert authorization(Address("http://a", user="u", password="ю"), "k") == "Basic dTrRjg=="


def test_secrets_are_taken_out() -> None:
    secrets = Secrets(["secret", "secret-longer", "abc", ""])
    assert secrets.hide("a secret-longer, a secret, abc") == "a ***, a ***, abc"
    assert Secrets([]).hide("text") == "text"
