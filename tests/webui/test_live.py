import asyncio
from typing import Any

import pytest

from webui import live
from webui.live import ALL_PAGES, Live, Subscription, chat_topic


class Page:
    """A page that keeps the frames it gets; `gate` holds its connection back."""

    def __init__(self, hub: Live, chat: int | None = 1) -> None:
        self.frames: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.subscription = Subscription(1, "page", "en")
        self.subscription.chat = chat
        hub.follow(self.subscription)
        self.task = asyncio.create_task(self.subscription.run(self.send))

    async def send(self, frame: dict[str, Any]) -> None:
        await self.gate.wait()
        self.frames.append(frame)

    @property
    def patches(self) -> list[dict[str, Any]]:
        return [patch for frame in self.frames for patch in frame["patches"]]


def run(scenario: Any) -> None:
    async def main() -> None:
        hub = Live()
        hub.bind(asyncio.get_running_loop())
        await scenario(hub)

    asyncio.run(main())


async def settle() -> None:
    await asyncio.sleep(live.NEAR_SECONDS * 2.5)


def test_frames_are_numbered_and_in_order() -> None:
    async def scenario(hub: Live) -> None:
        page = Page(hub)
        for number in range(3):
            hub.publish(chat_topic(1), ("x", number), lambda _, n=number: {"kind": "x", "value": n})
            await settle()
        assert [frame["n"] for frame in page.frames] == [0, 1, 2]
        assert [patch["value"] for patch in page.patches] == [0, 1, 2]
        page.task.cancel()

    run(scenario)


def test_a_slow_page_gets_merged_patches_and_a_fast_one_all() -> None:
    async def scenario(hub: Live) -> None:
        slow, fast = Page(hub), Page(hub)
        slow.gate.clear()
        for number in range(4):
            hub.publish(chat_topic(1), ("same",), lambda _, n=number: {"kind": "x", "value": n})
            await settle()
        slow.gate.set()
        await settle()
        assert [patch["value"] for patch in fast.patches] == [0, 1, 2, 3]
        assert [patch["value"] for patch in slow.patches] == [0, 3]
        slow.task.cancel(), fast.task.cancel()

    run(scenario)


def test_what_is_told_again_waits_for_its_time_and_what_is_new_goes_at_once() -> None:
    async def scenario(hub: Live) -> None:
        page = Page(hub)

        def tell(key: str, value: int) -> None:
            hub.publish(chat_topic(1), (key,), lambda _: {"kind": key, "value": value})

        tell("text", 0)
        await asyncio.sleep(live.NEAR_SECONDS / 4)
        tell("text", 1)
        await asyncio.sleep(live.NEAR_SECONDS / 4)
        assert [patch["value"] for patch in page.patches] == [0]
        tell("end", 2)
        await asyncio.sleep(live.NEAR_SECONDS / 4)
        assert [patch["value"] for patch in page.frames[1]["patches"]] == [1, 2]
        tell("text", 3)
        tell("text", 4)
        await settle()
        assert [patch["value"] for patch in page.patches] == [0, 1, 2, 4]
        page.task.cancel()

    run(scenario)


def test_only_the_pages_of_a_chat_hear_of_it() -> None:
    async def scenario(hub: Live) -> None:
        here, there, nowhere = Page(hub, 1), Page(hub, 2), Page(hub, None)
        hub.publish(chat_topic(2), ("x",), lambda _: {"kind": "two"})
        hub.publish(ALL_PAGES, ("y",), lambda _: {"kind": "all"})
        await settle()
        kinds = [[patch["kind"] for patch in page.patches] for page in (here, there, nowhere)]
        assert kinds == [["all"], ["two", "all"], ["all"]]
        for page in (here, there, nowhere):
            page.task.cancel()

    run(scenario)


def test_the_state_comes_before_what_happened_while_it_was_read() -> None:
    async def scenario(hub: Live) -> None:
        page = Page(hub)
        hub.publish(chat_topic(1), ("old",), lambda _: {"kind": "old"})
        await asyncio.sleep(0)
        page.subscription.hold()
        hub.publish(chat_topic(1), ("new",), lambda _: {"kind": "new"})
        await settle()
        assert page.frames == []
        page.subscription.begin([{"kind": "state"}])
        await settle()
        assert [patch["kind"] for patch in page.patches] == ["state", "new"]
        page.task.cancel()

    run(scenario)


def test_a_patch_for_a_chat_that_the_page_has_left_is_dropped() -> None:
    async def scenario(hub: Live) -> None:
        page = Page(hub)
        hub.publish(chat_topic(1), ("x",), lambda _: {"kind": "late"})
        hub.leave(page.subscription)
        page.subscription.chat = 2
        hub.follow(page.subscription)
        await settle()
        assert page.patches == []
        assert hub.pages(chat_topic(1)) == 0 and hub.pages(chat_topic(2)) == 1
        page.task.cancel()

    run(scenario)


def test_a_patch_that_cannot_be_built_spares_the_others(caplog: Any) -> None:
    def broken(_: Subscription) -> dict[str, Any]:
        raise ValueError("no")

    async def scenario(hub: Live) -> None:
        page = Page(hub)
        hub.publish(chat_topic(1), ("broken",), broken)
        hub.publish(chat_topic(1), ("fine",), lambda _: {"kind": "fine"})
        await settle()
        assert [patch["kind"] for patch in page.patches] == ["fine"]
        page.task.cancel()

    run(scenario)
    assert "could not be built" in caplog.text


def test_publishing_from_other_threads_and_without_a_loop() -> None:
    Live().publish(ALL_PAGES, ("x",), lambda _: {"kind": "x"})

    async def scenario(hub: Live) -> None:
        page = Page(hub)
        await asyncio.to_thread(hub.publish, ALL_PAGES, ("x",), lambda _: {"kind": "x"})
        await settle()
        assert [patch["kind"] for patch in page.patches] == ["x"]
        page.task.cancel()

    run(scenario)


def test_a_page_that_turns_to_another_chat_misses_nothing_meant_for_it() -> None:
    async def scenario(hub: Live) -> None:
        page = Page(hub)
        page.subscription.hold()
        hub.move(page.subscription, 2)
        hub.publish(chat_topic(1), ("old",), lambda _: {"kind": "old"})
        hub.publish(chat_topic(2), ("new",), lambda _: {"kind": "new"})
        hub.publish(live.page_topic(1, "page"), ("answer",), lambda _: {"kind": "answer"})
        await settle()
        assert page.patches == []
        page.subscription.begin([{"kind": "state"}])
        await settle()
        assert [patch["kind"] for patch in page.patches] == ["state", "new", "answer"]
        page.task.cancel()

    run(scenario)


@pytest.mark.parametrize("steps", range(4))
def test_a_page_that_goes_in_the_moment_of_a_patch_is_let_go(steps: int) -> None:
    async def scenario(hub: Live) -> None:
        page = Page(hub)

        def tell() -> None:
            page.subscription.put(chat_topic(1), ("x",), lambda _: {"kind": "x"})

        tell()
        await asyncio.sleep(live.NEAR_SECONDS / 4)
        tell()  # told again, so it waits for its time
        await asyncio.sleep(live.NEAR_SECONDS / 4)
        tell()
        for _ in range(steps):
            await asyncio.sleep(0)
        page.task.cancel()
        await asyncio.wait((page.task,), timeout=1)
        assert page.task.cancelled()

    run(scenario)
