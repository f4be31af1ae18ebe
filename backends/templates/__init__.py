"""Chat templates: messages -> prompt text, with the boundary of every message.

template.py turns a dialogue into text; sandbox.py runs the Jinja; forms.py rewrites dialogues that a template refuses;
spans.py finds the messages in the text; formats.py holds the named formats; choice.py picks one for a model.
"""

from backends.templates.choice import choose_template
from backends.templates.formats import FORMATS
from backends.templates.template import ChatTemplate, Rendered

__all__ = ["FORMATS", "ChatTemplate", "Rendered", "choose_template"]
