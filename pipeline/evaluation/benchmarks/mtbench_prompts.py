"""The judge's prompts of MT-Bench by single-answer grading: FastChat's, word for word.

From lm-sys/FastChat, ``fastchat/llm_judge/data/judge_prompts.jsonl``, Apache-2.0 (arXiv 2306.05685,
appendix A). Their slips of grammar are part of the benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JudgePrompt:
    """One conversation with the judge.

    Attributes:
        system: What the system message says.
        template: The user's message, with places for ``str.format``.
    """

    system: str
    template: str


JUDGE_PROMPTS = {
    "single-v1": JudgePrompt(
        system=("You are a helpful assistant."),
        template=(
            "[Instruction]\n"
            "Please act as an impartial judge and evaluate the quality of the response "
            "provided by an AI assistant to the user question displayed below. Your "
            "evaluation should consider factors such as the helpfulness, relevance, "
            "accuracy, depth, creativity, and level of detail of the response. Begin your "
            "evaluation by providing a short explanation. Be as objective as possible. "
            "After providing your explanation, you must rate the response on a scale of 1 "
            'to 10 by strictly following this format: "[[rating]]", for example: "Rating: '
            '[[5]]".\n\n'
            "[Question]\n"
            "{question}\n\n"
            "[The Start of Assistant's Answer]\n"
            "{answer}\n"
            "[The End of Assistant's Answer]"
        ),
    ),
    "single-math-v1": JudgePrompt(
        system=("You are a helpful assistant."),
        template=(
            "[Instruction]\n"
            "Please act as an impartial judge and evaluate the quality of the response "
            "provided by an AI assistant to the user question displayed below. Your "
            "evaluation should consider correctness and helpfulness. You will be given a "
            "reference answer and the assistant's answer. Begin your evaluation by "
            "comparing the assistant's answer with the reference answer. Identify and "
            "correct any mistakes. Be as objective as possible. After providing your "
            "explanation, you must rate the response on a scale of 1 to 10 by strictly "
            'following this format: "[[rating]]", for example: "Rating: [[5]]".\n\n'
            "[Question]\n"
            "{question}\n\n"
            "[The Start of Reference Answer]\n"
            "{ref_answer_1}\n"
            "[The End of Reference Answer]\n\n"
            "[The Start of Assistant's Answer]\n"
            "{answer}\n"
            "[The End of Assistant's Answer]"
        ),
    ),
    "single-v1-multi-turn": JudgePrompt(
        system=(
            "Please act as an impartial judge and evaluate the quality of the response "
            "provided by an AI assistant to the user question displayed below. Your "
            "evaluation should consider factors such as the helpfulness, relevance, "
            "accuracy, depth, creativity, and level of detail of the response. You "
            "evaluation should focus on the assistant's answer to the second user "
            "question. Begin your evaluation by providing a short explanation. Be as "
            "objective as possible. After providing your explanation, you must rate the "
            "response on a scale of 1 to 10 by strictly following this format: "
            '"[[rating]]", for example: "Rating: [[5]]".\n\n'
        ),
        template=(
            "<|The Start of Assistant A's Conversation with User|>\n\n"
            "### User:\n"
            "{question_1}\n\n"
            "### Assistant A:\n"
            "{answer_1}\n\n"
            "### User:\n"
            "{question_2}\n\n"
            "### Assistant A:\n"
            "{answer_2}\n\n"
            "<|The End of Assistant A's Conversation with User|>"
        ),
    ),
    "single-math-v1-multi-turn": JudgePrompt(
        system=(
            "Please act as an impartial judge and evaluate the quality of the response "
            "provided by an AI assistant to the user question. Your evaluation should "
            "consider correctness and helpfulness. You will be given a reference answer "
            "and the assistant's answer. You evaluation should focus on the assistant's "
            "answer to the second question. Begin your evaluation by comparing the "
            "assistant's answer with the reference answer. Identify and correct any "
            "mistakes. Be as objective as possible. After providing your explanation, you "
            "must rate the response on a scale of 1 to 10 by strictly following this "
            'format: "[[rating]]", for example: "Rating: [[5]]".\n\n'
        ),
        template=(
            "<|The Start of Reference Answer|>\n\n"
            "### User:\n"
            "{question_1}\n\n"
            "### Reference answer:\n"
            "{ref_answer_1}\n\n"
            "### User:\n"
            "{question_2}\n\n"
            "### Reference answer:\n"
            "{ref_answer_2}\n\n"
            "<|The End of Reference Answer|>\n\n\n"
            "<|The Start of Assistant A's Conversation with User|>\n\n"
            "### User:\n"
            "{question_1}\n\n"
            "### Assistant A:\n"
            "{answer_1}\n\n"
            "### User:\n"
            "{question_2}\n\n"
            "### Assistant A:\n"
            "{answer_2}\n\n"
            "<|The End of Assistant A's Conversation with User|>"
        ),
    ),
}
"""By FastChat's names: for the first turn and for both, without a reference answer and with one."""
