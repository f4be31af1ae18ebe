"""The thread that owns a model: it lets requests in, decodes them together, and hands each its events.

Other threads only `submit`, `cancel` and `close`. Decisions are made in `scheduler`; `cache` keeps what was read.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from backends.errors import EngineClosed, EngineFailed, SamovarError
from backends.llamacpp import scheduler
from backends.llamacpp.beam_run import BeamRun
from backends.llamacpp.cache import Cache, Keeping
from backends.llamacpp.executor import Executor, Outcome, Part, Words
from backends.llamacpp.pace import Pace
from backends.llamacpp.reuse import is_being_read
from backends.llamacpp.run import Run
from backends.llamacpp.searches import Searches
from backends.llamacpp.writing import Writer
from backends.values import FinishReason, Kept

_NOBODY: frozenset[int] = frozenset()


class Engine:
    """Continuous batching of up to `parallel` runs over one executor."""

    def __init__(self, executor: Executor, words: Words, parallel: int, keeping: Keeping | None = None) -> None:
        self._executor, self._parallel = executor, parallel
        keeping = keeping or Keeping()
        self._cache, self._chunk = Cache(executor, parallel, keeping), keeping.chunk
        self._searches = Searches(executor, self._cache.sequences)
        self._writer = Writer(executor, words, self._cache)
        self._steady: list[Run] = []  # those that run, as long as all of them do nothing but write
        self._pace = Pace(executor.limit)
        self._running: dict[int, Run] = {}  # in the order of admission
        self._waiting: list[Run] = []  # guarded by the condition, as are the next three
        self._closing = self._changed = False
        self._numbers = 0
        self._served: dict[str, int] = {}
        self._interruptible = _NOBODY
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="llamacpp-engine", daemon=True)
        self._thread.start()

    def submit(self, run: Run) -> None:
        """Queue a run. Raises `EngineClosed`."""
        with self._condition:
            if self._closing:
                run.fail(EngineClosed())
                raise EngineClosed
            self._numbers += 1
            run.id = self._numbers
            self._waiting.append(run)
            self._changed = True
            self._condition.notify()

    def cancel(self, run: Run) -> None:
        """End a run: at once if it waits, in the middle of its prompt if it reads, else after the token it is at."""
        run.cancelled = True
        with self._condition:
            if run in self._waiting:
                self._waiting.remove(run)
                run.finish("cancelled")
                self._changed = True
        if run.id in self._interruptible:
            self._executor.interrupt()

    @property
    def kept(self) -> Kept:
        """See `Cache.kept`."""
        return self._cache.kept

    def close(self) -> None:
        """End all runs with `EngineClosed` and give the memory back. Idempotent."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._executor.interrupt()
        self._thread.join()

    def _work(self) -> None:
        try:
            while self._await_work():
                try:
                    self._admit()
                    self._step()
                    self._search()
                except Exception as error:
                    self._fail_all(error)
        finally:
            with self._condition:
                self._closing = True
                for run in (*self._running.values(), *self._waiting):
                    run.fail(EngineClosed())
            self._cache.close()
            self._executor.close()

    def _await_work(self) -> bool:
        if self._running and not self._closing:
            return True
        with self._condition:
            while not (self._closing or self._waiting or self._running):
                self._condition.wait()
            return not self._closing

    # Letting in

    def _admit(self) -> None:
        """Let in whoever may start now; the others learn their places. Nothing to do while nothing changed."""
        if not self._changed:
            return
        with self._condition:
            self._changed = False
            waiting = {run.id: run for run in self._waiting}
            for index in self._order():
                run = waiting[index]
                if self._executor.cuttable and is_being_read(run.tokens, self._running.values()):
                    continue
                if not self._fits(run):
                    break
                self._waiting.remove(waiting.pop(index))
                self._running[index] = run
                self._begin(run)
            for place, index in enumerate(self._order(), 1):
                waiting[index].queue(place)

    def _order(self) -> tuple[int, ...]:
        return scheduler.order([run.as_waiting() for run in self._waiting], self._views(), self._served)

    def _fits(self, run: Run) -> bool:
        enough = sum(each.width - 1 for each in (run, *self._running.values())) <= self._executor.spare
        return enough and scheduler.fits(run.as_waiting(), self._views(), self._parallel, self._cache.cells)

    def _begin(self, run: Run) -> None:
        self._served[run.user] = max(self._served.values(), default=0) + 1
        self._steady = []
        self._pace.begin_prompt()
        run.admit(self._cache.open(run.tokens, run.head))

    # One step

    def _step(self) -> None:
        self._executor.resume()
        if self._steady and self._cache.free >= len(self._steady):
            self._glide()
            return
        for run in [run for run in self._running.values() if run.cancelled]:
            self._finish(run, "cancelled")
        portions = self._portions()
        # In exact mode nobody shares a batch with others: its company changes the last digits of a result.
        apart = [(each,) for each in portions]
        all(map(self._take, apart if self._chunk else scheduler.batches(portions, self._views())))

    def _glide(self) -> None:
        """Take the last step once more, without asking anew what goes into it: between two tokens every call counts."""
        if self._closing or any(run.cancelled for run in self._steady):
            self._steady = []
        else:
            self._decode(self._steady, [run.part(1) for run in self._steady])

    def _take(self, portions: Sequence[scheduler.Portion]) -> bool:
        """Read the portions as one batch, and take what comes next; False where the step must begin anew."""
        runs = [self._running[portion.id] for portion in portions]
        self._allow_interrupts(runs)
        # Only now: a cancel that comes later sees whom it may interrupt.
        if not runs or self._closing or any(run.cancelled for run in runs):
            return False
        parts = [run.part(portion.tokens) for run, portion in zip(runs, portions, strict=True)]
        reading = sum(portion.tokens for run, portion in zip(runs, portions, strict=True) if run.unread > 1)
        if not reading:
            parts = self._with_drafts(runs, parts)
        if not self._decode(runs, parts, reading):
            return False
        if not self._chunk and len(runs) == len(self._running) and all(run.only_writes for run in runs):
            self._steady = runs
        return True

    def _decode(self, runs: Sequence[Run], parts: Sequence[Part], reading: int = 0) -> bool:
        """Read a batch, `reading` tokens of it for those who do not write yet."""
        writing = len(runs) if not reading else sum(run.unread == 1 for run in runs)
        self._pace.begin()
        try:
            outcome = self._executor.decode(parts)
        finally:
            self._interruptible = _NOBODY
        if outcome is not Outcome.DONE:
            self._recover(outcome, runs)
            return False
        self._pace.end(writing, reading)
        self._advance(runs, parts)
        if any(run.written > 1 for run in runs):
            self._cache.park_next()
        return True

    def _portions(self) -> tuple[scheduler.Portion, ...]:
        """Return what goes into the step, after making room for it in the pool."""
        while True:
            if self._chunk:
                portions = scheduler.chunks(self._views(), self._chunk)
            else:
                beside = self._pace.beside(sum(run.unread == 1 for run in self._running.values()))
                portions = scheduler.portions(self._views(), self._executor.limit, self._pace.alone, beside)
            needed = sum(portion.tokens for portion in portions)
            if self._cache.make_room(needed) or not self._pause_one():
                return portions

    def _with_drafts(self, runs: Sequence[Run], parts: Sequence[Part]) -> list[Part]:
        """Let every run that guesses what it will write read its guess in the same step."""
        room = min(self._executor.limit, self._cache.free) - len(parts)
        found = []
        for run, part in zip(runs, parts, strict=True):
            guess = run.guess(room)
            room -= len(guess)
            found.append(Part(part.sequence, part.start, [*part.tokens, *guess], 1 + len(guess)) if guess else part)
        return found

    def _allow_interrupts(self, runs: Sequence[Run]) -> None:
        """Note whose cancel may break the decode off: a reader's, if the others' states can be taken back a step."""
        if self._executor.cuttable or len(runs) == 1:
            self._interruptible = frozenset(run.id for run in runs if run.unread > 1)

    def _advance(self, runs: Sequence[Run], parts: Sequence[Part]) -> None:
        first = 0
        for run, part in zip(runs, parts, strict=True):
            if run.slot is not None:
                self._cache.append(run.slot, part.tokens)
            try:
                self._advance_one(run, part, first)
            except Exception as error:
                self._fail(run, error)
            first += len(part.tokens)

    def _advance_one(self, run: Run, part: Part, first: int) -> None:
        """Take what comes after a part, whose first token is the batch's `first`."""
        if run.held <= run.prompt_size:
            run.read()
            self._changed = True  # somebody may wait for what was read
        if not part.logits:
            return
        if isinstance(run, BeamRun):
            self._searches.begin(run, first + len(part.tokens) - 1)
            reason: FinishReason | None = "stop" if run.search.over else None
        else:
            reason = self._writer.write(run, part, first)
        if reason:
            self._finish(run, reason)

    # Beam searches

    def _search(self) -> None:
        """Take every beam search that has read its prompt a step further; its beams are one batch."""
        for run in list(self._running.values()):
            if isinstance(run, BeamRun) and run.branched and not (run.cancelled or self._closing):
                try:
                    self._search_one(run)
                except Exception as error:
                    self._fail(run, error)

    def _search_one(self, run: BeamRun) -> None:
        parts = self._searches.parts(run)
        if not self._make_way(run, sum(len(part.tokens) for part in parts)):
            return
        outcome = self._executor.decode(parts)
        if outcome is Outcome.DONE:
            self._searches.took(run, parts)
            if run.search.over:
                self._finish(run, "stop")
            return
        self._searches.take_back(run)
        if outcome is Outcome.FAILED:
            self._fail(run, EngineFailed(reason="llama.cpp could not decode"))
        elif outcome is Outcome.FULL:
            self._make_room()

    def _make_way(self, run: BeamRun, needed: int) -> bool:
        """Free cells for a search; False if it has to wait for them, or to end as only its own are left."""
        while run.slot is not None and not self._cache.make_room(needed):
            if not self._pause_one():
                self._finish(run, "length")
        return run.slot is not None

    # When a step does not succeed

    def _recover(self, outcome: Outcome, runs: Sequence[Run]) -> None:
        if outcome is Outcome.FULL:
            self._make_room()
            return
        for run in runs:
            if outcome is Outcome.FAILED:
                self._fail(run, EngineFailed(reason="llama.cpp could not decode"))
            elif run.slot is not None:
                self._cache.cut(run.slot, run.held)

    def _make_room(self) -> None:
        """The books said that there was room, the library says no: give up what is idle, then whoever came last."""
        if not self._cache.empty_idle() and not self._pause_one():
            for run in list(self._running.values()):
                if isinstance(run, BeamRun) and run.begun:
                    self._finish(run, "length")
                else:
                    self._fail(run, EngineFailed(reason="the KV cache is full"))

    def _pause_one(self) -> bool:
        """Send the run that began last back to wait, if there is more than one; it will go on where it is."""
        index = scheduler.to_pause(self._views())
        if index is None:
            return False
        run = self._running.pop(index)
        self._let_go(run)
        run.paused = True
        with self._condition:
            if run.cancelled:  # a moment ago, when it was not among the waiting
                run.finish("cancelled")
            else:
                self._waiting.insert(0, run)
        return True

    def _fail_all(self, error: Exception) -> None:
        """A fault of our own: nothing is known of the cache any more, so it is given up, and the thread lives on."""
        for run in list(self._running.values()):
            self._fail(run, error)
        self._cache.clear()
        self._changed = True  # whoever waits may be let in now

    def _fail(self, run: Run, error: Exception) -> None:
        """End a run with an error; its sequence is emptied, for what it holds is doubtful."""
        for slot in run.slots:
            self._cache.cut(slot, 0)
        self._running.pop(run.id, None)
        self._let_go(run)
        run.fail(error if isinstance(error, SamovarError) else EngineFailed(reason=f"{type(error).__name__}: {error}"))

    def _finish(self, run: Run, reason: FinishReason) -> None:
        self._running.pop(run.id, None)
        self._let_go(run)
        run.finish(reason)

    def _let_go(self, run: Run) -> None:
        self._steady = []
        if isinstance(run, BeamRun):
            self._searches.let_go(run)
        if run.slot is not None:
            self._cache.release(run.slot)
            run.slot = None
            self._changed = True

    def _views(self) -> list[scheduler.Running]:
        return [run.as_running() for run in self._running.values()]
