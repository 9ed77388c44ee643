from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import _toccata
from ._tool import Tool, tool

Event = dict[str, Any]
"""{"type": "item.completed", "item": {...}} and so on, as `toccata run --json` prints them (the shapes of codex)."""


class RunFailed(RuntimeError):
    """A run that ended without an answer; `result` says how."""

    def __init__(self, result: Result):
        super().__init__(f"run {result.run_id} ended without an answer: {result.message} ({result.reason})")
        self.result = result


@dataclass
class Result:
    """How a run ended."""

    final: str  # the answer
    exit_code: int  # 0 done, 1 failed, 4 limit, 5 denied, 6 tool unavailable, 7 model error, 8 schema unmet, 124, 130
    reason: str
    message: str
    run_id: str  # in the ledger: toccata runs show RUN_ID
    usage: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    def check(self) -> Result:
        """Itself, or RunFailed."""
        if not self.ok:
            raise RunFailed(self)
        return self

    def json(self) -> Any:
        """The answer as JSON; for runs with an output schema."""
        return json.loads(self.final)

    def __str__(self) -> str:
        return self.final

    def _repr_markdown_(self) -> str:
        if self.ok:
            return self.final
        return f"**No answer** ({self.reason}): {self.message}"


class Agent:
    """One conversation with a model that has tools.

    model: "nano" (built in), a folder, a GGUF file, a Hugging Face id in the cache, the URL of a server, "script:FILE"
    tools: names of built-in ones ("python", "browser", "shell", "files", "patch", "recall", "skills") and functions (plain,
        or @tool)
    output_schema: the answer is JSON that satisfies it: a dict, or a pydantic model
    Everything else is an option of `toccata run`, with underscores: instructions, reasoning, temperature, top_p, seed,
    max_turns, budget_tokens, timeout (seconds), sandbox, approve, workspace, index, ledger, constrain, offline ...

    ValueError and the like name the option at fault. One run at a time; stop() and steer() from any thread.
    """

    def __init__(
        self,
        model: str = "nano",
        *,
        tools: Sequence[str | Tool | Callable[..., Any]] = ("python",),
        output_schema: dict[str, Any] | type | None = None,
        **options: Any,
    ):
        functions = [t if isinstance(t, Tool) else tool(t) for t in tools if not isinstance(t, str)]
        unknown = set(options) - _OPTIONS
        if unknown:
            raise TypeError(f"unknown options: {', '.join(sorted(unknown))}; known: {', '.join(sorted(_OPTIONS))}")
        if hasattr(output_schema, "model_json_schema"):
            output_schema = output_schema.model_json_schema()
        settings = {k: str(v) if k in ("workspace", "index", "ledger") else v for k, v in options.items()} | {
            "model": str(model),
            "tools": [t for t in tools if isinstance(t, str)],
            "output_schema": "" if output_schema is None else json.dumps(output_schema),
        }
        self._agent = _toccata.Agent(
            json.dumps(settings),
            [(f.name, f.description, json.dumps(f.parameters), f._call) for f in functions],
            bool(functions) and all(f.pure for f in functions),
        )

    @property
    def run_id(self) -> str:
        """The run's id in the ledger; "" before the first run."""
        return self._agent.run_id

    @property
    def sandbox_level(self) -> str:
        """The protection reached; "" without python."""
        return self._agent.sandbox_level

    def stop(self) -> None:
        """Ends the current run soon, in a state that can be resumed."""
        self._agent.stop()

    def steer(self, text: str) -> None:
        """A message for the run that is under way, read before the next model call."""
        self._agent.steer(text)

    def run(self, message: str, *, on_event: Callable[[Event], None] | None = None) -> Result:
        """One turn: from a message to the answer. Further runs go on in the same conversation."""
        return self._drain(self.stream(message), on_event)

    def resume(self, run_id: str, message: str | None = None, *, on_event: Callable[[Event], None] | None = None) -> Result:
        """Goes on with a recorded run; the first thing an agent does."""
        return self._drain(_Stream(self, lambda sink: self._agent.resume(run_id, message, sink)), on_event)

    def stream(self, message: str) -> _Stream:
        """The events of a turn as they come; `.result` afterwards. Leaving the loop early stops the run."""
        return _Stream(self, lambda sink: self._agent.run(message, sink))

    async def arun(self, message: str) -> Result:
        stream = self.astream(message)
        async for _ in stream:
            pass
        return stream.result

    def astream(self, message: str) -> _AsyncStream:
        """As stream(), for `async for`."""
        return _AsyncStream(self.stream(message))

    @staticmethod
    def _drain(stream: _Stream, on_event: Callable[[Event], None] | None) -> Result:
        for event in stream:
            if on_event is not None:
                on_event(event)
        return stream.result


_OPTIONS = {
    "device", "precision", "instructions", "reasoning", "sandbox", "approve", "max_turns", "budget_tokens", "max_step_tokens",
    "max_reasoning_tokens", "max_calls", "context_tokens", "constrain", "timeout", "tool_timeout", "offline", "temperature",
    "top_p", "top_k", "min_p", "seed", "workspace", "index", "page_text", "ledger",
}


class _Stream:
    """The run is on a thread of its own, so that Ctrl-C and other threads get through."""

    def __init__(self, agent: Agent, work: Callable[[Callable[[str], None]], str]):
        self._agent = agent
        self._queue: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._result: Result | None = None

        def run() -> None:
            try:
                outcome = work(lambda text: self._queue.put(("event", json.loads(text))))
                self._queue.put(("result", Result(**json.loads(outcome))))
            except BaseException as error:  # goes to whoever reads the stream
                self._queue.put(("error", error))

        self._thread = threading.Thread(target=run, name="toccata run", daemon=True)
        self._thread.start()

    @property
    def result(self) -> Result:
        """How the run ended; what has not been read yet is skipped."""
        for _ in self:
            pass
        assert self._result is not None
        return self._result

    def __iter__(self) -> Iterator[Event]:
        try:
            while self._result is None:
                kind, value = self._queue.get()
                if kind == "event":
                    yield value
                elif kind == "result":
                    self._result = value
                else:
                    raise value
        finally:
            if self._result is None:
                self._agent.stop()
            self._thread.join()
            while self._result is None and not self._queue.empty():
                kind, value = self._queue.get()
                if kind == "result":
                    self._result = value


class _AsyncStream:
    def __init__(self, stream: _Stream):
        self._stream = stream

    @property
    def result(self) -> Result:
        return self._stream.result

    async def __aiter__(self) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        events = iter(self._stream)
        end = object()
        try:
            while (event := await loop.run_in_executor(None, next, events, end)) is not end:
                yield event
        finally:
            events.close()
