"""The errors of the backends. Every one carries a `code` for translation and the `details` its sentence needs.

SamovarError
├── InvalidRequest          the asker can mend it
│   ├── InvalidParameter      a value out of its range
│   ├── InvalidConstraint     a shape of the answer that is broken, or cannot be kept to
│   ├── UnknownParameter      no such knob
│   ├── UnsupportedParameter  this engine has no such knob
│   ├── UnsupportedFeature    this engine cannot do this at all
│   ├── PromptTooLong         the prompt exceeds the window
│   └── TemplateFailed        the chat template refuses this dialogue
├── ModelUnavailable        no such model can be run here
│   ├── ModelNotFound         nothing at that path, name or address
│   ├── ModelBroken           cut short, or not a model at all
│   ├── ModelUnsupported      a model, but not one this engine runs
│   ├── OutOfMemory           it does not fit
│   └── DownloadFailed        the hub or the network failed
└── EngineFailed            the engine died or misbehaved in the middle of its work
    └── EngineClosed          it was shut down or unloaded
"""

from __future__ import annotations

import re


class SamovarError(Exception):
    """The root. `str(error)` is an English sentence; `code` and `details` let a page say it in another language."""

    message = "Something went wrong."

    def __init__(self, **details: object) -> None:
        """Keep `details` by name; they fill the placeholders of the class's message."""
        self.details = details
        super().__init__(self.message.format_map(_Lenient(details)))

    @property
    def code(self) -> str:
        """The class name in snake_case: the key of the translations."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


class _Lenient(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "?"


class InvalidRequest(SamovarError):
    """The asker can mend it. Details: reason."""

    message = "The request is not valid: {reason}"


class InvalidParameter(InvalidRequest):
    """A value out of its range. Details: name, value, allowed."""

    message = "{name} cannot be {value}: allowed is {allowed}."


class InvalidConstraint(InvalidRequest):
    """A shape of the answer that is broken, or cannot be kept to. Details: kind, where, reason.

    `where` is "line:column", and for a schema the path too ("3:14 $.properties.age").
    """

    message = "The shape of the answer ({kind}) is not valid at {where}: {reason}."


class UnknownParameter(InvalidRequest):
    """No such knob. Details: name."""

    message = "There is no parameter called {name}."


class UnsupportedParameter(InvalidRequest):
    """This engine has no such knob. Details: name, engine."""

    message = "The engine {engine} has no {name}."


class UnsupportedFeature(InvalidRequest):
    """This engine cannot do this at all: "continue", "impersonate" or "detokenize". Details: name, engine."""

    message = "The engine {engine} cannot do this: {name}."


class PromptTooLong(InvalidRequest):
    """The prompt, or one message alone, exceeds the window. Details: tokens, window."""

    message = "The message takes {tokens} tokens, but the model's window holds {window}."


class TemplateFailed(InvalidRequest):
    """The chat template refuses this dialogue. Details: reason."""

    message = "The model's chat template refuses this dialogue: {reason}"


class ModelUnavailable(SamovarError):
    """No such model can be run here. Details: model, reason."""

    message = "The model {model} cannot be used: {reason}"


class ModelNotFound(ModelUnavailable):
    """Nothing at that path, name or address. Details: model."""

    message = "There is no model at {model}."


class ModelBroken(ModelUnavailable):
    """Cut short, or not a model at all. Details: model, reason."""

    message = "The file {model} is not a usable model: {reason}"


class ModelUnsupported(ModelUnavailable):
    """A model, but not one this engine runs. Details: model, reason."""

    message = "The model {model} is of a kind that this engine cannot run: {reason}"


class OutOfMemory(ModelUnavailable):
    """It does not fit. Details: model, reason."""

    message = "There is not enough memory for {model}: {reason}"


class DownloadFailed(ModelUnavailable):
    """The hub or the network failed. Details: model, reason."""

    message = "{model} could not be downloaded: {reason}"


class EngineFailed(SamovarError):
    """The engine died or misbehaved in the middle of its work. Details: reason."""

    message = "The engine failed: {reason}"


class EngineClosed(EngineFailed):
    """It was shut down or unloaded."""

    message = "The engine was shut down."
