"""One conversation -> what keeps a chat model from learning from it: order of turns, empty texts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

from runner.data.faults import Fault
from runner.data.rows import Message

# Letters and symbols by category, yet nothing to see: Hangul fillers and the empty Braille cell.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp", "Mn"})


def conversation_faults(messages: Sequence[Message]) -> Iterator[Fault]:
    """Yield what is wrong with the order of turns and with their texts."""
    roles = [message["role"] for message in messages]
    if "assistant" not in roles:
        yield Fault("no_answer", "there is no assistant turn, so nothing to learn")
    elif roles[-1] != "assistant":
        yield Fault("no_answer", f"the last turn is the {roles[-1]}'s, so its answer is missing")
    elif all(message.get("weight") == 0 for message in messages if message["role"] == "assistant"):
        yield Fault("nothing_to_learn", "every assistant turn has weight 0, so nothing to learn")
    if next((role for role in roles if role != "system"), "") == "assistant":
        yield Fault("starts_with_assistant", "the conversation starts with the assistant", hint="drop that turn")
    if "system" in roles[1:]:
        index = roles.index("system", 1)
        yield Fault("system_in_the_middle", "only the first message can be the system's", f"/messages/{index}")
    for index, message in enumerate(messages):
        # A tool may well return nothing, and a call says enough by itself.
        optional = message["role"] in ("system", "tool") or "tool_calls" in message
        if not optional and not is_visible(message["content"]):
            named = "answer" if message["role"] == "assistant" else "question"
            yield Fault(f"empty_{named}", f"the {named} is empty or invisible", f"/messages/{index}")
        if "\0" in message["content"]:
            yield Fault("nul_character", "the text holds a NUL character", f"/messages/{index}")


def repeated_role(messages: Sequence[Message]) -> int | None:
    """Return the index of the first turn by the same role as the one before it; some chat templates refuse that."""
    pairs = enumerate(pairwise(message["role"] for message in messages), 1)
    return next((index for index, (before, role) in pairs if before == role not in ("system", "tool")), None)


def is_visible(text: str) -> bool:
    """Whether a reader would see anything: not only white space, zero-width or control characters."""
    if text[:1].isalnum() and text[0] not in _BLANK:
        return True
    return any(unicodedata.category(char) not in _INVISIBLE and char not in _BLANK for char in text)
