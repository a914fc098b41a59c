"""Each thing that can look wrong with a training run is found from its lines, and nothing in a healthy one."""

import pytest

from runner.spec.models import Training
from runner.training.curve import best_evaluation, curve_of
from runner.training.diagnosis import diagnose, explain_best

STEPS = 20
HEALTHY = [3.0 - 2.5 * n / 60 for n in range(60)]


def run(losses, validations):
    """Return the lines of a run with 20 steps to an epoch and an evaluation after each."""
    lines = [{"step": 0, "epoch": 0, "train_loss": None, "validation_loss": validations[0], "seconds": 0.0}]
    for number, loss in enumerate(losses, start=1):
        epoch = number / STEPS
        lines.append(
            {
                "step": number,
                "epoch": epoch,
                "loss": loss,
                "learning_rate": 1e-4,
                "labels": 10,
                "tokens": 50,
                "seconds": 1,
            }
        )
        if number % STEPS == 0:
            recent = sum(losses[number - STEPS : number]) / STEPS
            validation = validations[number // STEPS]
            lines.append(
                {
                    "step": number,
                    "epoch": int(epoch),
                    "train_loss": recent,
                    "validation_loss": validation,
                    "seconds": number,
                }
            )
    return lines


def codes(lines, **facts):
    settings = facts.pop("training", {})
    return [finding.code for finding in diagnose(lines, Training.model_validate(settings), **facts)]


@pytest.mark.parametrize(
    ("losses", "validations", "found"),
    [
        (HEALTHY, [3.1, 2.4, 1.6, 1.0], []),
        ([3.0, 2.9] * 30, [3.0, 2.98, 2.97, 2.99], ["not_falling"]),
        (HEALTHY[:40] + [5.0] * 20, [3.1, 2.4, 1.6, 5.5], ["diverging"]),
        ([3.0 / (n + 1) for n in range(60)], [3.0, 1.0, 1.1, 1.4], ["overfitting"]),
        ([3.0 - n / 100 for n in range(60)], [3.0, 2.99, 2.98, 2.975], ["falling_slowly"]),
        ([3.0] * 15, [3.0], []),
    ],
    ids=["healthy", "flat", "diverging", "overfitting", "slow", "too early to tell"],
)
def test_the_course_of_the_loss(losses, validations, found):
    assert codes(run(losses, validations)) == found


@pytest.mark.parametrize(
    ("training", "found"),
    [
        ({"learning_rate": 2e-4}, []),
        ({"learning_rate": 5e-2}, ["unusual_learning_rate"]),
        ({"learning_rate": 1e-7}, ["unusual_learning_rate"]),
        ({"learning_rate": 2e-4, "method": "full"}, ["unusual_learning_rate"]),
        ({"learning_rate": 2e-5, "method": "full"}, []),
    ],
)
def test_the_learning_rate(training, found):
    assert codes(run(HEALTHY, [3.1, 2.4, 1.6, 1.0]), training=training) == found


def test_answers_that_serving_would_cut_off():
    lines = run(HEALTHY, [3.1, 2.4, 1.6, 1.0])
    assert codes(lines, longest_answer=40, max_new_tokens=32) == ["answers_truncated"]
    assert codes(lines, longest_answer=32, max_new_tokens=32) == []


def test_every_finding_says_what_why_and_what_to_do():
    lines = run([3.0 / (n + 1) for n in range(60)], [3.0, 1.0, 1.1, 1.4])
    (finding,) = diagnose(lines, Training())
    assert "epoch 3" in finding.message
    assert "1.400" in finding.message
    assert finding.cause
    assert "fewer epochs" in finding.remedy


def test_without_validation_rows_nothing_is_said_about_them():
    assert codes(run(HEALTHY, [None] * 4)) == []


def test_the_best_evaluation_is_the_earliest_lowest():
    def best(*losses):
        evaluations = [{"step": n, "validation_loss": loss} for n, loss in enumerate(losses)]
        found = best_evaluation(evaluations)
        return found and found["step"]

    assert best(1.0, 3.0, 2.0, 2.0) == 2
    assert best(1.0) is None
    assert best(None, None, None) == 2


def test_a_curve_has_every_evaluation_and_few_points_between():
    lines = run([3.0 - n / 1000 for n in range(2000)], [3.0] * 101)
    curve = curve_of(lines)
    assert [point["epoch"] for point in curve if point["validation_loss"] is not None] == list(range(101))
    assert len(curve) <= 101 + 60
    assert [point["step"] for point in curve] == sorted(point["step"] for point in curve)


@pytest.mark.parametrize(
    ("losses", "validations", "epochs", "said"),
    [
        (HEALTHY, [3.1, 2.4, 1.6, 1.0], 3, "Epoch 3 of 3 kept: validation loss 1.000, the lowest and the last."),
        (
            HEALTHY,
            [3.1, 1.4, 1.6, 1.7],
            9,
            "Epoch 1 of 9 kept: validation loss 1.400 is the lowest; epoch 3 overfits (1.700); stopped early after epoch 3.",
        ),
        (HEALTHY, [None] * 4, 3, "Epoch 3 of 3 kept: the last one, for there are no validation rows."),
        ([3.0 + n / 10 for n in range(40)], [3.1, 1.4, 1.6], 2, "is worse on both losses (1.600)."),
        ([], [3.0], 3, ""),
    ],
)
def test_which_weights_were_kept_and_why(losses, validations, epochs, said):
    assert explain_best(run(losses, validations), epochs).endswith(said)


def test_an_epoch_is_what_falls_slowly_not_a_few_steps():
    """Validated every few steps, a loss that falls by a seventh in an epoch moves little from one time to the next."""
    lines = [{"step": 0, "epoch": 0, "train_loss": None, "validation_loss": 3.0, "seconds": 0.0}]
    for number in range(1, 40):
        loss = 3.0 - 0.02 * number
        lines.append(
            {"step": number, "epoch": number / 20, "train_loss": loss, "validation_loss": loss, "seconds": 1.0}
        )
    assert codes(lines) == []
