"""Every error is a sentence for people, a kind for programs and a code for scripts."""

import json

import pytest

from core.errors import Exit, FieldhandError, Kind, explain


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_sentence_and_an_exit_code(kind: Kind) -> None:
    error = FieldhandError(kind)
    assert str(error).strip()
    assert error.exit_code in set(Exit) - {Exit.DONE}


@pytest.mark.parametrize("kind", Kind)
def test_an_error_is_the_same_on_the_other_side_of_the_wire(kind: Kind) -> None:
    error = FieldhandError(kind, device="VAV 1", attempts=3, reason=None)
    wire = json.loads(json.dumps({"kind": error.kind.value, "fields": error.fields}))
    other = FieldhandError(Kind(wire["kind"]), **wire["fields"])
    assert (other.kind, other.fields, str(other), other.exit_code) == (
        error.kind,
        error.fields,
        str(error),
        error.exit_code,
    )


def test_a_sentence_names_what_the_fields_name() -> None:
    said = explain(Kind.NO_REPLY, {"step": "query status", "attempts": 3})
    assert said == "no answer at query status after 3 tries: check its power and its wiring"


def test_a_field_that_is_missing_does_not_hide_the_rest() -> None:
    assert explain(Kind.NO_REPLY, {"attempts": 3}).startswith("no answer at ? after 3 tries: ")


@pytest.mark.parametrize("kind", Kind)
def test_a_sentence_is_one_line_that_a_terminal_does_not_act_on_whatever_the_fields_hold(kind: Kind) -> None:
    evil = "\x1b[2J\r\n\x9b\u202e"
    names = "what value reason device group port job protocol known uid name path action directory pid found"
    fields = dict.fromkeys([*names.split(), *["holder", "step", "attempts", "bytes", "code", "expected"]], evil)
    assert explain(kind, fields).isprintable()


def test_braces_in_a_field_are_only_text() -> None:
    assert "{kind.value}" in explain(Kind.FILE, {"path": "{kind.value}", "reason": "{0}"})
