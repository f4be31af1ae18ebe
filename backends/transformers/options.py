"""How a model is opened by transformers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backends.errors import InvalidParameter
from backends.llamacpp.options import DEFAULT_WINDOW, LEAST_WINDOW, MOST_SEQUENCES


@dataclass(frozen=True, slots=True)
class TransformersOptions:
    """The levers of loading. Raises `InvalidParameter` for a value out of range.

    `ctx`: tokens of the window, shared by all sequences; 0 = what the model was trained for, at most 8192.
    `threads`: of the processor, 0 = PyTorch's own choice. `device`, `dtype`: see `devices`. `parallel`: how many
    requests are written at once, a token of each in turn. `template`: name of a chat template, "" = the model's own.
    `trust_remote_code`: run the program code that lies beside the weights; whoever wrote it can do all that this
    process can. `progress` is called with 0 … 1 between the steps of loading, first before memory is taken; answering
    False stops it.
    """

    ctx: int = 0
    threads: int = 0
    device: str = "auto"
    parallel: int = 4
    template: str = ""
    dtype: str = "auto"
    trust_remote_code: bool = False
    progress: Callable[[float], bool] = lambda _share: True

    def __post_init__(self) -> None:
        """Check the ranges; which dtypes there are depends on the device."""
        if self.ctx and self.ctx < LEAST_WINDOW:
            raise InvalidParameter(name="ctx", value=self.ctx, allowed=f"0, or {LEAST_WINDOW} and more")
        if self.threads < 0:
            raise InvalidParameter(name="threads", value=self.threads, allowed="0 and more")
        if not 1 <= self.parallel <= MOST_SEQUENCES:
            raise InvalidParameter(name="parallel", value=self.parallel, allowed=f"1 … {MOST_SEQUENCES}")

    def window(self, trained: int) -> int:
        """Return the window in tokens for a model trained for `trained` (0 = unknown).

        Raises `InvalidParameter` beyond that: position tables end there, and a GPU that reads behind one is lost for
        the whole process.
        """
        if trained and self.ctx > trained:
            raise InvalidParameter(name="ctx", value=self.ctx, allowed=f"0, or {LEAST_WINDOW} … {trained}")
        return self.ctx or min(trained or DEFAULT_WINDOW, DEFAULT_WINDOW)
