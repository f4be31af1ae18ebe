"""The shape of replies: kept with the levers, told to the engine, kept with the reply, and refused in time."""

from pathlib import Path

import pytest

from backends.constraints import SHAPES, Constraint
from backends.errors import UnsupportedParameter
from backends.scripted import Script
from tests.webui.house import ME, House
from webui.levers import Levers, read_levers, save_levers

YES_NO = Constraint("choices", choices=("yes", "no"))
SHAPED = Levers(shape=YES_NO)


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    made = House(tmp_path, Script(replies=["yes"], constraints=frozenset(getattr(request, "param", SHAPES))))
    yield made
    made.services.close()


def test_it_is_kept_with_the_levers(house: House) -> None:
    history = house.services.history
    for levers in (SHAPED, Levers(shape=Constraint("json")), Levers(shape=Constraint("schema", '{"type": "null"}'))):
        save_levers(history, 1, levers)
        assert read_levers(history, 1, Levers()) == levers
    save_levers(history, 1, Levers())
    assert read_levers(history, 1, SHAPED) == Levers()
    assert "shape" not in history.setting(1, "levers", {})


@pytest.mark.parametrize("kept", [{"kind": "of tomorrow"}, {"kind": "schema", "text": "{"}, 5])
def test_one_that_cannot_be_kept_to_any_more_is_set_back(house: House, kept: object) -> None:
    house.services.history.set_setting(1, "levers", {"sampling": {"top_k": 7}, "shape": kept})
    levers = read_levers(house.services.history, 1, Levers())
    assert levers.shape is None and levers.sampling.top_k == 7


def test_the_engine_is_told_and_the_reply_remembers(house: House) -> None:
    chat = house.say("Is it?", levers=SHAPED)
    assert house.backend.requests[-1].constraint == YES_NO
    made = house.path(chat)[-1].made
    assert made is not None and made.shape == YES_NO.mapping()
    house.replies.regenerate(ME, chat, SHAPED)
    house.quiet()
    house.replies.continue_(ME, chat, SHAPED)
    house.quiet()
    house.replies.impersonate(ME, chat, "", SHAPED)
    house.quiet()
    assert [each.constraint for each in house.backend.requests[1:]] == [YES_NO, YES_NO, None]
    free = house.path(house.say("And now?"))[-1].made
    assert free is not None and not free.shape


@pytest.mark.parametrize("house", [()], indirect=True)
def test_what_the_engine_cannot_do_is_refused_before_anything_is_kept(house: House) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        house.replies.send(ME, None, "Is it?", SHAPED)
    assert caught.value.details["name"] == "constraint.choices"
    assert not house.services.history.chats(1, limit=10)
