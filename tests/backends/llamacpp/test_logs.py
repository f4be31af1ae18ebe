"""The reason that is told of a failure, out of what llama.cpp logs."""

from __future__ import annotations

import pytest

from backends.llamacpp.logs import Logs

pytestmark = pytest.mark.model

_ERROR, _INFO = 4, 2


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            [
                "llama_model_load: error loading model: unknown model architecture: 'x'",
                "llama_model_load_from_file_impl: failed to load model",
            ],
            "unknown model architecture: 'x'",
        ),
        (
            ["llama_model_load: error loading model: error loading model hyperparameters: key not found in model: a.b"],
            "key not found in model: a.b",
        ),
        (["ggml_malloc: insufficient memory (5 MB)"], "insufficient memory (5 MB)"),
        (["failed to load model"], "llama.cpp gave no reason"),
        ([], "llama.cpp gave no reason"),
    ],
)
def test_the_reason_of_a_failure(lines: list[str], reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.llamacpp.logs.native.llama_log_set", lambda *_: None)
    logs = Logs()
    logs._take(_INFO, b"all is well", None)
    for line in lines:
        logs._take(_ERROR, line.encode() + b"\n", None)
    assert logs.reason == reason
    logs.clear()
    assert logs.lines == ()
