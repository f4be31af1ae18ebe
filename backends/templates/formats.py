"""Named formats, for models whose file has no template of its own, and for `--template`.

Each is the format that the model's makers publish; the source is named beside it. `bos_token` and `eos_token` are
those of the loaded vocabulary. Line feeds after a block tag are written as `{{ '\\n' }}`, as Jinja drops others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """A template's Jinja source, and the strings that end a turn where the vocabulary has no token for them."""

    source: str
    stops: tuple[str, ...] = ()


_SAIGA = "Ты — Сайга, русскоязычный автоматический ассистент. Ты разговариваешь с людьми и помогаешь им."
_VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
_ALPACA = "Below is an instruction that describes a task. Write a response that appropriately completes the request."


def _headed(start: str, end: str, answer: str = "assistant") -> str:
    """Every message between a header that names its role and an end; `ROLE` stands for the name."""
    role = "{{ '" + answer + "' if message.role == 'assistant' else message.role }}"
    return (
        f"{{% for message in messages %}}{start.replace('ROLE', role)}{{{{ message.content }}}}{end}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{start.replace('ROLE', answer)}{{% endif %}}"
    )


def _defaulted(system: str, source: str) -> str:
    """The dialogue with the makers' system message in front when it has none."""
    return (
        "{% if not messages or messages[0].role != 'system' %}"
        f"{{% set messages = [{{'role': 'system', 'content': \"{system}\"}}] + messages %}}{{% endif %}}{source}"
    )


def _transcript(user: str, assistant: str, system: str = "", after_system: str = "\n") -> Format:
    """A written dialogue, each line with its speaker's name in front."""
    source = (
        "{% for message in messages %}"
        f"{{% if message.role == 'system' %}}{system}{{{{ message.content }}}}{{{{ {after_system!r} }}}}"
        f"{{% else %}}{{{{ '{user}: ' if message.role == 'user' else '{assistant}: ' }}}}"
        "{{ message.content }}{{ '\n' }}{% endif %}{% endfor %}"
        f"{{% if add_generation_prompt %}}{assistant}:{{% endif %}}"
    )
    return Format(source, (f"\n{user}:", f"\n{assistant}:"))


def _alternating(question: str, answer: str) -> str:
    """Questions and answers in turn, after a system message that `question` places; else a refusal, as the makers'.

    In both `message` is the turn, `system` the system message or "".
    """
    return (
        "{% set headed = messages and messages[0].role == 'system' %}"
        "{% set system = messages[0].content if headed else '' %}"
        "{% for message in (messages[1:] if headed else messages) %}"
        "{% if message.role != ('user' if loop.index0 % 2 == 0 else 'assistant') %}"
        "{{ raise_exception('the roles must alternate') }}{% endif %}"
        f"{{% if message.role == 'user' %}}{question}{{% else %}}{answer}{{% endif %}}{{% endfor %}}"
    )


def _mistral(space: str) -> str:
    """V3: the system message stands in the last question. `space`: what SentencePiece puts before a word."""
    last = "{% if system and loop.revindex <= 2 %}{{ system + '\n\n' }}{% endif %}"
    return "{{ bos_token }}" + _alternating(
        f"[INST]{space}{last}{{{{ message.content }}}}[/INST]", f"{space}{{{{ message.content }}}}{{{{ eos_token }}}}"
    )


_LLAMA_3 = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n"
    "{{ message.content.strip() }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
_SAIGA_TURN = "{{ bos_token }}ROLE\n"

FORMATS: Mapping[str, Format] = {
    # OpenAI, chatml.md in openai-python 0.27; the same in Qwen's and SmolLM's model cards.
    "chatml": Format(_headed("<|im_start|>ROLE\n", "<|im_end|>\n"), ("<|im_end|>",)),
    # Meta, llama/generation.py, chat_completion.
    "llama-2": Format(
        _alternating(
            "{{ bos_token }}[INST] {% if loop.first and system %}<<SYS>>\n{{ system }}\n<</SYS>>\n\n{% endif %}"
            "{{ message.content.strip() }} [/INST]",
            " {{ message.content.strip() }} {{ eos_token }}",
        ),
        ("[INST]",),
    ),
    # Meta, llama3/llama/tokenizer.py, ChatFormat.
    "llama-3": Format(_LLAMA_3, ("<|eot_id|>",)),
    # Mistral AI, mistral-common, InstructTokenizerV1 (7B v0.1 and v0.2, Mixtral 8x7B): the spaces before [INST] are
    # those that SentencePiece puts after a control token.
    "mistral-v1": Format(
        "{{ bos_token }}"
        + _alternating(
            "[INST] {% if loop.first and system %}{{ system + '\n\n' }}{% endif %}{{ message.content }} [/INST]",
            " {{ message.content }}{{ eos_token }}",
        ),
        ("[INST]",),
    ),
    # Mistral AI, mistral-common, InstructTokenizerV3 with SentencePiece (7B v0.3, Mixtral 8x22B).
    "mistral-v3": Format(_mistral(" "), ("[INST]",)),
    # The same with Tekken (Nemo 12B): no spaces.
    "mistral-tekken": Format(_mistral(""), ("[INST]",)),
    # Mistral AI, mistral-common, InstructTokenizerV7 with Tekken (Small 3).
    "mistral-v7": Format(
        "{{ bos_token }}{% for message in messages %}"
        "{% if message.role == 'system' %}[SYSTEM_PROMPT]{{ message.content }}[/SYSTEM_PROMPT]"
        "{% elif message.role == 'user' %}[INST]{{ message.content }}[/INST]"
        "{% else %}{{ message.content }}{{ eos_token }}{% endif %}{% endfor %}",
        ("[INST]",),
    ),
    # TII, falcon-7b-instruct, discussion 1 at the hub: "User: …", "Assistant: …", one line each.
    "falcon": _transcript("User", "Assistant"),
    # TII, Falcon-180B-Chat, as shown in "Spread Your Wings: Falcon 180B is here".
    "falcon-180b": _transcript("User", "Falcon", system="System: "),
    # IlyaGusev, model card of saiga_mistral_7b_lora: DEFAULT_MESSAGE_TEMPLATE and the rest.
    "saiga": Format(_defaulted(_SAIGA, _headed(_SAIGA_TURN, "{{ eos_token }}", "bot"))),
    # IlyaGusev, rulm/self_instruct/internal_prompts/saiga_v2.json (Saiga 1 and 2, on LLaMA and Llama 2).
    "saiga-2": Format(_defaulted(_SAIGA, _headed(_SAIGA_TURN, "{{ eos_token }}\n", "bot"))),
    # IlyaGusev, model card of saiga_llama3_8b, v4 and later.
    "saiga-llama-3": Format(_defaulted(_SAIGA, _LLAMA_3), ("<|eot_id|>",)),
    # LMSYS, FastChat/fastchat/conversation.py, vicuna_v1.1 (weights v1.1 to v1.5).
    "vicuna": Format(
        _defaulted(
            _VICUNA,
            "{% for message in messages %}{% if message.role == 'system' %}{{ message.content + ' ' }}"
            "{% elif message.role == 'user' %}USER: {{ message.content + ' ' }}"
            "{% else %}ASSISTANT: {{ message.content }}{{ eos_token }}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}ASSISTANT:{% endif %}",
        ),
        ("USER:",),
    ),
    # Stanford, stanford_alpaca/train.py, PROMPT_DICT; for further turns as in FastChat's "alpaca".
    "alpaca": Format(
        _defaulted(
            _ALPACA,
            "{% for message in messages %}{% if message.role == 'system' %}{{ message.content + '\n\n' }}"
            "{% elif message.role == 'user' %}### Instruction:\n{{ message.content + '\n\n' }}"
            "{% else %}### Response:\n{{ message.content }}{{ eos_token + '\n\n' }}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}### Response:{% endif %}",
        ),
        ("### Instruction:", "### Response:"),
    ),
    # Google, "Gemma formatting and system instructions", ai.google.dev.
    "gemma": Format(
        "{{ bos_token }}{% for message in messages %}"
        "{% if message.role == 'system' %}{{ raise_exception('there is no system role') }}{% endif %}"
        "<start_of_turn>{{ 'model' if message.role == 'assistant' else 'user' }}\n"
        "{{ message.content.strip() }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        ("<end_of_turn>",),
    ),
    # Hugging Face H4, model card of zephyr-7b-beta.
    "zephyr": Format(_headed("<|ROLE|>\n", "{{ eos_token }}\n")),
    # Microsoft, model card of Phi-3-mini-4k-instruct.
    "phi-3": Format(_headed("<|ROLE|>\n", "<|end|>\n"), ("<|end|>",)),
    # For base models, which only go on with a text: a dialogue as it is written in books and on pages.
    "plain": _transcript("User", "Assistant", after_system="\n\n"),
    # The same for base models that read Russian, such as ruGPT.
    "plain-ru": _transcript("Пользователь", "Ассистент", after_system="\n\n"),
}
