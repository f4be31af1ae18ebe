import os
from pathlib import Path

import pytest

from backends.llamacpp.cache import Keeping
from backends.llamacpp.engine import Engine
from backends.llamacpp.parking import MEGABYTE, Memory, Parked
from backends.llamacpp.shelf import Shelf
from tests.backends.llamacpp.fake import Asked, FakeExecutor, Words, expected


def shelf(folder: Path, model: str = "m", build: str = "1", budget: int = MEGABYTE) -> Shelf:
    return Shelf(folder, model, build, budget)


def parked(*tokens: int, data: bytes = b"state") -> Parked:
    memory = Memory(len(data))
    memory.bytes[: len(data)] = data
    return Parked(list(tokens), 0, memory)


def contents(found: list[Parked]) -> list[tuple[list[int], bytes]]:
    assert all(each.memory.is_whole() for each in found)
    return [(list(each.tokens), bytes(each.memory.pointer)) for each in found]


def test_what_was_saved_comes_back_in_order(tmp_path: Path):
    shelf(tmp_path / "new").save([parked(1, 2, data=b"last"), parked(7, data=b"first")])
    assert contents(shelf(tmp_path / "new").load()) == [([7], b"first"), ([1, 2], b"last")]


def test_nobody_else_may_read_it(tmp_path: Path):
    shelf(tmp_path / "new").save([parked(1)])
    (file,) = (tmp_path / "new").iterdir()
    if os.name == "posix":
        assert file.stat().st_mode & 0o077 == 0


def test_other_models_keep_theirs_and_get_nothing_of_this(tmp_path: Path):
    shelf(tmp_path).save([parked(1)])
    other = shelf(tmp_path, "other")
    assert other.load() == []
    other.save([parked(2)])
    assert len(contents(shelf(tmp_path).load())) == len(contents(other.load())) == 1


def test_another_version_of_the_engine_removes_what_it_cannot_read(tmp_path: Path):
    shelf(tmp_path).save([parked(1)])
    assert shelf(tmp_path, build="2").load() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"not json", b'{"magic": 1}\n', None])
def test_a_broken_file_is_ignored_and_removed(tmp_path: Path, damage: bytes | None):
    shelf(tmp_path).save([parked(1)])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
    assert shelf(tmp_path).load() == []
    assert not file.exists()


def test_a_changed_byte_shows_when_it_is_used(tmp_path: Path):
    shelf(tmp_path).save([parked(1)])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    (found,) = shelf(tmp_path).load()
    assert not found.memory.is_whole()


def test_the_budget_holds_for_all_models_together(tmp_path: Path):
    big = bytes(400)
    shelf(tmp_path, "old").save([parked(1, data=big)])
    shelf(tmp_path, budget=1300).save([parked(2, data=big), parked(3, data=big), parked(4, data=bytes(900))])
    assert [tokens for tokens, _ in contents(shelf(tmp_path).load())] == [[3], [2]]
    assert shelf(tmp_path, "old").load() == []


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path):
    (tmp_path / "file").touch()
    shelf(tmp_path / "file").save([parked(1)])
    assert shelf(tmp_path / "file").load() == []


def test_yesterdays_chats_go_on_after_a_restart(tmp_path: Path):
    def engine() -> tuple[Engine, FakeExecutor]:
        executor = FakeExecutor(cells=300)
        return Engine(executor, Words(), 2, Keeping(executor, 1, MEGABYTE, shelf=shelf(tmp_path))), executor

    def ask(of: Engine, tokens: list[int]) -> Asked:
        asked = Asked(of, tokens, 5)
        asked.finish()
        assert asked.text == expected(tokens, 5)
        return asked

    first, _ = engine()
    chats = [ask(first, [1 + seed + at % 80 for at in range(120)]).run.tokens for seed in range(4)]
    first.close()
    second, executor = engine()
    for chat in chats:
        assert ask(second, [*chat, 9]).done.usage.cached_tokens == 124
    second.close()
    assert executor.restored
    assert len(list(tmp_path.iterdir())) == 4
