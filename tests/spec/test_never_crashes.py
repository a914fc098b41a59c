"""Whatever is in the file, the answer is a spec or a GituneError."""

from __future__ import annotations

import contextlib

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import SpecError
from runner.spec.models import Spec

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

OWN_KEYS = sorted({"training", "lora", "evaluation", "gates", "dataset", "split", "output_format", *Spec.model_fields})
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(OWN_KEYS)
keys = st.sampled_from(OWN_KEYS) | st.text(max_size=20) | st.integers()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20)


def load(repository, text):
    with contextlib.suppress(SpecError):
        repository.load(text)


@quick
@given(data=st.binary(max_size=200))
def test_any_bytes(repository, data):
    load(repository, data)


@quick
@given(text=st.text(alphabet="ab:-?[]{}&*!|>'\"%@`#,<= \n\t\\0159.xe_~\u0085\u2028\ud7ff", max_size=80))
def test_any_punctuation(repository, text):
    load(repository, text)


@quick
@given(value=values)
def test_any_yaml(repository, value):
    load(repository, yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))


@quick
@given(data=st.data(), value=values)
def test_any_value_at_any_place_of_a_spec(repository, design, data, value):
    spec = yaml.safe_load(design)
    place = spec
    while True:
        key = data.draw(st.sampled_from(list(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = value
    load(repository, yaml.safe_dump(spec, allow_unicode=True).encode("utf-8", "surrogatepass"))


@quick
@given(data=st.data())
def test_any_cut_or_slip_in_a_spec(repository, design, data):
    start = data.draw(st.integers(0, len(design)))
    end = data.draw(st.integers(start, min(len(design), start + 30)))
    load(repository, design[:start] + data.draw(st.text(max_size=5)) + design[end:])
