"""The named formats, literally as their makers publish them: a system message, two questions and an answer.

`S`, `Q1`, `A1`, `Q2` stand for the texts; what the model writes next begins after the end.
"""

from __future__ import annotations

import pytest

from backends.errors import InvalidParameter
from backends.templates import FORMATS, ChatTemplate, choose_template
from backends.templates.choice import default_format
from backends.values import ChatPrompt
from tests.backends.templates.makers import SMOLLM_2, assistant, system, user

DIALOGUE = (system("S"), user("Q1"), assistant("A1"), user("Q2"))
SAIGA = "Ты — Сайга, русскоязычный автоматический ассистент. Ты разговариваешь с людьми и помогаешь им."
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
ALPACA = "Below is an instruction that describes a task. Write a response that appropriately completes the request."


def named(name: str, bos: str = "<s>", eos: str = "</s>") -> ChatTemplate:
    return choose_template(name, None, bos, eos)


def asked(name: str, bos: str = "<s>", eos: str = "</s>") -> str:
    return named(name, bos, eos).render(ChatPrompt(DIALOGUE)).text


def test_chatml() -> None:
    """OpenAI, openai-python 0.27, chatml.md; Qwen and SmolLM publish the same."""
    assert asked("chatml") == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n"
        "<|im_start|>assistant\nA1<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\n"
    )


def test_llama_2() -> None:
    """Meta, github.com/meta-llama/llama, llama/generation.py: B_INST, B_SYS, and bos and eos around each exchange."""
    assert asked("llama-2") == "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nQ1 [/INST] A1 </s><s>[INST] Q2 [/INST]"


def test_llama_3() -> None:
    """Meta, github.com/meta-llama/llama3, llama/tokenizer.py, ChatFormat.encode_dialog_prompt."""
    assert asked("llama-3", "<|begin_of_text|>") == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nQ1<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nA1<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nQ2<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_mistral_v1() -> None:
    """Mistral AI, mistral-common, tests/test_tokenize_v1.py: `<s>▁[INST]▁S↵↵Q1▁[/INST]▁A1</s>▁[INST]▁Q2▁[/INST]`.

    The space after a control token is SentencePiece's own.
    """
    assert asked("mistral-v1") == "<s>[INST] S\n\nQ1 [/INST] A1</s>[INST] Q2 [/INST]"


def test_mistral_v3() -> None:
    """Mistral AI, mistral-common, InstructTokenizerV3: `<s>[INST]▁Q1[/INST]▁A1</s>[INST]▁S↵↵Q2[/INST]`."""
    assert asked("mistral-v3") == "<s>[INST] Q1[/INST] A1</s>[INST] S\n\nQ2[/INST]"


def test_mistral_tekken() -> None:
    """Mistral AI, mistral-common, InstructTokenizerV3 with Tekken: `<s>[INST]Q1[/INST]A1</s>[INST]S↵↵Q2[/INST]`."""
    assert asked("mistral-tekken") == "<s>[INST]Q1[/INST]A1</s>[INST]S\n\nQ2[/INST]"


def test_mistral_v7() -> None:
    """Mistral AI, model card of Mistral-Small-24B-Instruct-2501, "Basic Instruct Template (V7-Tekken)"."""
    assert asked("mistral-v7") == "<s>[SYSTEM_PROMPT]S[/SYSTEM_PROMPT][INST]Q1[/INST]A1</s>[INST]Q2[/INST]"


def test_falcon() -> None:
    """TII, huggingface.co/tiiuae/falcon-7b-instruct, discussion 1; it says nothing of a system message."""
    assert asked("falcon") == "S\nUser: Q1\nAssistant: A1\nUser: Q2\nAssistant:"


def test_falcon_180b() -> None:
    """Hugging Face with TII, "Spread Your Wings: Falcon 180B is here", "Prompt format"."""
    assert asked("falcon-180b") == "System: S\nUser: Q1\nFalcon: A1\nUser: Q2\nFalcon:"


def test_saiga() -> None:
    """IlyaGusev, model card of saiga_mistral_7b_lora: `<s>{role}\\n{content}</s>`, then `<s>bot\\n`."""
    assert asked("saiga") == "<s>system\nS</s><s>user\nQ1</s><s>bot\nA1</s><s>user\nQ2</s><s>bot\n"


def test_saiga_2() -> None:
    """IlyaGusev, github.com/IlyaGusev/rulm, self_instruct/internal_prompts/saiga_v2.json."""
    assert asked("saiga-2") == "<s>system\nS</s>\n<s>user\nQ1</s>\n<s>bot\nA1</s>\n<s>user\nQ2</s>\n<s>bot\n"


def test_saiga_llama_3() -> None:
    """IlyaGusev, model card of saiga_llama3_8b, "v4, v5, v6+"."""
    text = named("saiga-llama-3", "<|begin_of_text|>").render(ChatPrompt(DIALOGUE[1:])).text
    assert text == (
        f"<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{SAIGA}<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nQ1<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nA1<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nQ2<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_vicuna() -> None:
    """LMSYS, FastChat, fastchat/conversation.py, vicuna_v1.1: ADD_COLON_TWO with " " and "</s>"."""
    assert asked("vicuna") == "S USER: Q1 ASSISTANT: A1</s>USER: Q2 ASSISTANT:"


def test_alpaca() -> None:
    """Stanford, stanford_alpaca, train.py, PROMPT_DICT["prompt_no_input"], for one question."""
    text = named("alpaca").render(ChatPrompt((user("Q1"),))).text
    assert text == f"{ALPACA}\n\n### Instruction:\nQ1\n\n### Response:"


def test_alpaca_in_turns() -> None:
    """Stanford trained on single exchanges; further ones go on in the same way, as in its followers' model cards."""
    assert asked("alpaca") == (
        "S\n\n### Instruction:\nQ1\n\n### Response:\nA1</s>\n\n### Instruction:\nQ2\n\n### Response:"
    )  # fmt: skip


def test_gemma() -> None:
    """Google, ai.google.dev, "Gemma formatting and system instructions": the system's goes into the first question."""
    assert asked("gemma", "<bos>") == (
        "<bos><start_of_turn>user\nS\n\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n"
        "<start_of_turn>user\nQ2<end_of_turn>\n<start_of_turn>model\n"
    )


def test_zephyr() -> None:
    """Hugging Face H4, model card of zephyr-7b-beta."""
    assert asked("zephyr") == (
        "<|system|>\nS</s>\n<|user|>\nQ1</s>\n<|assistant|>\nA1</s>\n<|user|>\nQ2</s>\n<|assistant|>\n"
    )  # fmt: skip


def test_phi_3() -> None:
    """Microsoft, model card of Phi-3-mini-4k-instruct, "Chat Format"."""
    assert asked("phi-3") == (
        "<|system|>\nS<|end|>\n<|user|>\nQ1<|end|>\n<|assistant|>\nA1<|end|>\n<|user|>\nQ2<|end|>\n<|assistant|>\n"
    )


def test_plain() -> None:
    """For base models: a dialogue as it is written on pages. Nobody publishes one."""
    assert asked("plain") == "S\n\nUser: Q1\nAssistant: A1\nUser: Q2\nAssistant:"
    assert asked("plain-ru") == "S\n\nПользователь: Q1\nАссистент: A1\nПользователь: Q2\nАссистент:"


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("saiga", f"<s>system\n{SAIGA}</s><s>user\nQ1</s>"),
        ("saiga-2", f"<s>system\n{SAIGA}</s>\n<s>user\nQ1</s>\n"),
        ("vicuna", f"{VICUNA} USER: Q1 "),
        ("alpaca", f"{ALPACA}\n\n### Instruction:\nQ1"),
        ("chatml", "<|im_start|>user\nQ1"),
        ("llama-2", "<s>[INST] Q1"),
        ("mistral-v1", "<s>[INST] Q1"),
        ("mistral-v3", "<s>[INST] Q1"),
        ("plain", "User: Q1"),
    ],
)
def test_without_a_system_message_the_makers_own_is_said(name: str, start: str) -> None:
    assert named(name).render(ChatPrompt(DIALOGUE[1:])).text.startswith(start)


@pytest.mark.parametrize(
    ("name", "opened"),
    [
        ("chatml", "<|im_start|>user\n"),
        ("llama-2", "<s>[INST]"),
        ("llama-3", "<|start_header_id|>user<|end_header_id|>\n\n"),
        ("mistral-v1", "</s>[INST]"),
        ("mistral-v3", "</s>[INST] S\n\n"),
        ("mistral-tekken", "</s>[INST]S\n\n"),
        ("falcon", "\nUser:"),
        ("saiga", "<s>user\n"),
        ("vicuna", "</s>USER:"),
        ("alpaca", "### Instruction:\n"),
        ("gemma", "<start_of_turn>user\n"),
        ("zephyr", "<|user|>\n"),
        ("phi-3", "<|user|>\n"),
        ("plain", "\nUser:"),
    ],
)
def test_a_persons_turn_is_opened_as_the_format_does(name: str, opened: str) -> None:
    assert named(name).render(ChatPrompt(DIALOGUE[:3], "user")).text.endswith(opened)


@pytest.mark.parametrize("name", FORMATS)
def test_a_name_is_kept(name: str) -> None:
    assert named(name).name == name


def test_a_base_model_is_stopped_before_it_writes_the_others_turn() -> None:
    assert named("plain").stops == ("\nUser:", "\nAssistant:")
    assert named("plain-ru").stops == ("\nПользователь:", "\nАссистент:")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidParameter) as caught:
        named("no-such")
    assert caught.value.details == {"name": "template", "value": "no-such", "allowed": ", ".join(FORMATS)}


def test_a_name_goes_before_the_models_own() -> None:
    assert choose_template("zephyr", SMOLLM_2, "<s>", "</s>").name == "zephyr"


def test_the_models_own_goes_before_a_guess_and_is_told_from_others() -> None:
    first, again = (choose_template("", SMOLLM_2, "", "", ["<|user|>"], "zephyr").name for _ in range(2))
    assert first == again
    assert first.startswith("own-")
    assert choose_template("", SMOLLM_2 + " ", "", "").name != first


CHATML_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


@pytest.mark.parametrize(
    ("marks", "model", "name"),
    [
        (CHATML_TOKENS, "qwen2 Qwen 7B", "chatml"),
        (("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"), "phi3 model", "phi-3"),
        (("<s>", "</s>"), "llama model-q4_K", "plain"),
        ((), "gpt2 rugpt3large_based_on_gpt2", "plain-ru"),
        ((), "llama ruGPT-3.5-13B", "plain-ru"),
        ((), "llama saiga_mistral_7b", "saiga"),
        ((), "llama IlyaGusev saiga2_13b model", "saiga-2"),
        (CHATML_TOKENS, "llama saiga_llama3_8b", "saiga-llama-3"),
        ((), "llama mistralai_mistral-7b-instruct-v0.1.Q4_K_M", "mistral-v1"),
        ((), "llama Mistral-7B-Instruct-v0.3", "mistral-v3"),
        ((), "llama Mistral-Nemo-Instruct-2407", "mistral-tekken"),
        ((), "llama Mixtral-8x7B-Instruct-v0.1", "mistral-v1"),
        ((), "llama Mistral-7B-v0.1", "plain"),
        ((), "llama llama-2-7b-chat.Q4_0", "llama-2"),
        ((), "llama llama-2-7b.Q4_0", "plain"),
        ((), "llama Meta-Llama-3-8B-Instruct", "llama-3"),
        ((), "falcon falcon-7b-instruct", "falcon"),
        ((), "falcon falcon-7b", "plain"),
        ((), "falcon falcon-180B-chat", "falcon-180b"),
        ((), "gemma gemma-2b-it", "gemma"),
        ((), "gemma gemma-2b", "plain"),
        ((), "llama vicuna-13b-v1.5", "vicuna"),
        ((), "llama zephyr-7b-beta", "zephyr"),
    ],
)
def test_the_format_of_a_model_without_a_template(marks: tuple[str, ...], model: str, name: str) -> None:
    assert default_format(marks, model) == name
    assert choose_template("", None, "<s>", "</s>", marks, model).name == name


def test_a_stop_that_is_a_token_is_no_string() -> None:
    assert choose_template("chatml", None, "", "").stops == ("<|im_end|>",)
    assert choose_template("chatml", None, "", "", CHATML_TOKENS).stops == ()


def test_thinking_tags_come_from_the_template_or_the_vocabulary() -> None:
    assert choose_template("", "{{ '</think>' }}", "", "").think == ("<think>", "</think>")
    assert choose_template("chatml", None, "", "", ["<think>", "</think>"]).think == ("<think>", "</think>")
    assert choose_template("chatml", None, "", "").think is None
