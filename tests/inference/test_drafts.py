"""Drafts of a batch: what is believed and what the serving engine is asked, and that batches compute the same model."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import routing_rows

from runner.data.prompts import prompts_of
from runner.inference import bulk, drafts
from runner.inference.bulk import answer_all
from runner.inference.drafts import ASKED_SHARE, LEAST_ASKED, LEAST_MARGIN, Doubt, Draft, open_drafter, settled
from runner.inference.engine import Answer, ModelFiles, Refused, open_engine
from runner.spec.evaluation import Generation

SETTINGS = Generation(max_new_tokens=24)


def draft(name, margin, text="yes"):
    return Draft(Answer(name, text, "stop", 3, 2, 0.1), margin)


def settle(found, other, doubt=None):
    """Return the settled replies and who was asked; the engine says something else to `other`."""
    asked = []

    def ask(names):
        for name in names:
            asked.append(name)
            yield Answer(name, "no" if name in other else "yes", "stop", 3, 2, 9.0)

    replies = list(settled(found, ask, doubt or Doubt(len(found))))
    return {reply.prompt_id: reply.text for reply in replies}, asked


@pytest.mark.parametrize(
    ("other", "asked"),
    [
        (set(), LEAST_ASKED),  # 0.2 to 1.2
        ({"5"}, 12),  # at 1.2, so up to 2.4
        ({"5", "11"}, 24),  # at 2.4, so up to 4.8
        ({"40"}, LEAST_ASKED),  # nobody knows: it is far above what ever differed
    ],
)
def test_the_engine_is_asked_as_far_as_twice_the_margin_at_which_it_last_differed(other, asked):
    found = [draft(str(number), 0.2 * (number + 1)) for number in range(100)]
    texts, names = settle(found[::-1], other)
    assert names == [str(number) for number in range(asked)]
    assert len(texts) == len(found)
    assert all(texts[name] == ("no" if name in other else "yes") for name in names)


def test_of_many_more_are_compared():
    found = [draft(str(number), 1.0 + number) for number in range(64 * LEAST_ASKED)]
    assert len(settle(found, set())[1]) == len(found) * ASKED_SHARE


def test_small_margins_are_never_believed():
    found = [draft(str(number), LEAST_MARGIN / 2) for number in range(3 * LEAST_ASKED)]
    assert len(settle(found, set())[1]) == len(found)


def test_what_was_learned_holds_for_the_next_section():
    doubt = Doubt(LEAST_ASKED)
    settle([draft(str(number), 1.0 + number / 100) for number in range(LEAST_ASKED)], {"0"}, doubt)
    _, asked = settle([draft("sure", 5.0), draft("unsure", 1.9)], set(), doubt)
    assert asked == ["unsure"]


def test_a_refusal_confirms_nothing():
    doubt = Doubt(1)
    doubt.learn(draft("a", 0.7), Refused("a", "no", lasting=True))
    assert doubt.limit == 1.4


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=60))
def test_everybody_gets_one_reply_and_whoever_is_asked_gets_the_engines(rows):
    found = [draft(str(number), margin) for number, (margin, _) in enumerate(rows)]
    other = {str(number) for number, (_, differs) in enumerate(rows) if differs}
    texts, asked = settle(found, other)
    assert len(texts) == len(rows)
    assert len(asked) == len(set(asked))
    differed = [rows[int(name)][0] for name in asked if name in other]
    believed = [rows[int(name)][0] for name in texts if name not in asked]
    assert all(margin > 2 * most for margin in believed for most in differed)


@pytest.fixture(scope="module")
def many():
    return prompts_of(routing_rows(160))


@pytest.mark.parametrize("instructions", [None, "Answer in one word.", "Route the customer message. " * 3])
def test_batches_write_what_transformers_writes(tuned, many, instructions):
    """Both in fp32: prompts of any length beside each other, with and without a beginning that is read once."""
    system = [{"role": "system", "content": instructions}] if instructions else []
    prompts = [replace(prompt, messages=[*system, *prompt.messages]) for prompt in many]
    with open_engine("transformers", tuned) as engine:
        expected = {a.prompt_id: a for a in engine.answer(prompts, SETTINGS, lambda _: None)}
    with open_engine("llama_cpp", tuned, slots=1) as engine:
        tokens, beginnings = bulk._begin_alike([engine], prompts)
    found = open_drafter(tuned, SETTINGS, 2).draft(tokens, beginnings, SETTINGS)
    assert len(found) == len(prompts)
    assert (len(beginnings) == len(prompts)) or instructions is None
    sure = [draft.answer for draft in found if draft.margin > 0.01]
    assert len(sure) > len(found) // 2
    for answer in sure:
        assert replace(answer, seconds=0) == replace(expected[answer.prompt_id], seconds=0)


@pytest.mark.parametrize("which", ["base", "tuned"])
def test_drafting_changes_no_answer(which, base, tuned, many, monkeypatch):
    model = tuned if which == "tuned" else ModelFiles(base, None)
    found = {}
    for worth in (1, 10**6):
        monkeypatch.setattr(bulk, "WORTH_DRAFTING", worth)
        monkeypatch.setattr(bulk, "_FIRST_SECTION", 16)
        monkeypatch.setattr(bulk, "_SECTION", 40)
        found[worth] = {
            a.prompt_id: replace(a, seconds=0) for a in answer_all("llama_cpp", model, many, SETTINGS, lambda _: None)
        }
    assert found[1] == found[10**6]
    assert len(found[1]) == len(many)


def test_what_is_done_is_not_answered_again_and_changes_nothing(tuned, many, monkeypatch):
    monkeypatch.setattr(bulk, "WORTH_DRAFTING", 1)
    whole = {a.prompt_id: a.text for a in answer_all("llama_cpp", tuned, many, SETTINGS, lambda _: None)}
    done = {prompt.id for prompt in many[::2]}
    rest = {a.prompt_id: a.text for a in answer_all("llama_cpp", tuned, many, SETTINGS, lambda _: None, {0: done})}
    assert rest == {name: text for name, text in whole.items() if name not in done}


def test_a_model_that_is_no_plain_llama_is_not_drafted(tuned, monkeypatch):
    monkeypatch.setattr(drafts, "main_memory", lambda: 1000)
    assert open_drafter(tuned, SETTINGS, 1) is None
    monkeypatch.undo()
    assert open_drafter(tuned, Generation(temperature=0.5), 1) is None
    assert open_drafter(tuned, SETTINGS, 1) is not None
