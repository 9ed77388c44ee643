from __future__ import annotations

import asyncio
import json
import os
import queue
import threading
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from . import _toccata
from ._display import run_html
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
    items: list[dict[str, Any]] = field(default_factory=list, repr=False)  # of the events item.completed, in order

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return self.exit_code == 0

    def check(self) -> Result:
        """Itself, or raises RunFailed."""
        if not self.ok:
            raise RunFailed(self)
        return self

    def json(self) -> Any:
        """The answer as JSON; for runs with an output schema. ValueError when it is none."""
        return json.loads(self.final)

    def __str__(self) -> str:
        return self.final

    def _repr_html_(self) -> str:
        """What a notebook shows: reasoning and calls folded, then the answer. Escaped."""
        return run_html(
            self.items, final=self.final, ok=self.ok, reason=self.reason, message=self.message, run_id=self.run_id, usage=self.usage
        )


class Agent:
    """One conversation with a model that has tools.

    model: "nano" (built in), a folder, a GGUF file, a Hugging Face id in the cache, the URL of a server, "script:FILE"
    tools: names of built-in ones ("python", "browser", "shell", "files", "patch", "recall", "skills") and functions (plain,
        or @tool)
    output_schema: the answer is JSON that satisfies it: a dict, or a pydantic model
    sandbox: least protection accepted for python and shell: full, full-nocg, noproc, landlock, seccomp, none
    python: interpreter, or virtual environment, of sandbox sessions; by default that of `toccata tools python`, else the system's
    mount: folders and files that sandbox sessions may read: "PATH" or "PATH:NAME", at /mnt/NAME
    sandbox_net: hosts that sandbox sessions may reach by HTTP and HTTPS: "pypi.org", "*.example.org", "example.org:8443"
    approve: of calls that need approval (files that write, patch): "always" lets them run, "trusted" until
        the run has read what strangers wrote, "never" ends the run at the call: it can be resumed
    approve_rule: "TOOL[:ARGUMENT=GLOB]=allow|ask|deny", or with ARGUMENT~REGEX: decides calls that fit; the first that fits wins
    tool_file: files that declare further tools, an HTTP request or a program behind each
    scripted_tools: for tests: a file whose answers stand in place of every tool's work
    workspace: the folder that files and patch work in, never outside
    search: services that the browser asks: "brave", "searxng=http://127.0.0.1:8888" and so on; keys as the program finds them
    embeddings, embeddings_model, embeddings_key_env: service with OpenAI's embeddings endpoint for search by meaning in the index, its model
        (by default the one whose vectors the index has) and the variable with its key
    proxy: for pages and search services: a URL, or "none"; by default that of the environment
    allow_domain: pages come from these hosts and those below them only
    allow_origin: origins that may be opened although they are not public: "http://127.0.0.1:8000"
    page_text: "whole", or "main": pages without menus and other side matter
    save_files: folder that gets, after each run, what python and shell left in /mnt/data
    page_cache: file that keeps fetched pages between runs; by default the user's; "none"
    mcp: files that name MCP servers (mcp.json), whose functions become tools
    otlp: OpenTelemetry collector that gets spans of the run: "http://127.0.0.1:4318"
    max_calls: "20" in all, "browser=5" of one tool
    subagents: how many sub-agents the model may hand parts of the task to; functions are then called on their threads too,
        one at a time
    look_ahead: how many calls of tools that only read may be begun before the model asks for them, guessed by a fork of it
        while another runs; 0: none. Functions are guessed that are pure and concurrent
    best_of, judge: candidates for each answer, and which is taken: "majority", "first-valid", "model", "command=..."
    timeout, tool_timeout: seconds, of a run (0: no limit) and of one call of python or shell
    max_sandbox_cpu: seconds of CPU time that programs in the sandbox may use, in the life of the agent (0: no limit)

    Every option is one of `toccata run`, with underscores; None is its default (AGENTS.md is not read here). Raises
    ValueError naming an option of the wrong kind, FileNotFoundError for a model that is not there, RuntimeError for one
    that cannot be used or a sandbox below the level asked for. One run at a time; stop() and steer() from any thread.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "nano",
        *,
        tools: Sequence[str | Tool | Callable[..., Any]] = ("python",),
        output_schema: dict[str, Any] | type | None = None,
        instructions: str | None = None,
        reasoning: Literal["low", "medium", "high"] | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        min_p: float | None = None,
        seed: int | None = None,
        max_turns: int | None = None,
        max_calls: str | Sequence[str] | None = None,
        budget_tokens: int | None = None,
        max_step_tokens: int | None = None,
        max_reasoning_tokens: int | None = None,
        max_prefill_tokens: int | None = None,
        max_decode_tokens: int | None = None,
        subagents: int | None = None,
        subagent_depth: int | None = None,
        look_ahead: int | None = None,
        best_of: int | None = None,
        judge: str | None = None,
        context_tokens: int | None = None,
        timeout: float | None = None,
        tool_timeout: float | None = None,
        max_sandbox_cpu: float | None = None,
        sandbox: Literal["full", "full-nocg", "noproc", "landlock", "seccomp", "none"] | None = None,
        sandbox_start: Literal["zygote", "cold"] | None = None,
        python: str | os.PathLike[str] | None = None,
        mount: str | Sequence[str] | None = None,
        sandbox_net: str | Sequence[str] | None = None,
        approve: Literal["never", "on-request", "trusted", "always"] | None = None,
        approve_rule: str | Sequence[str] | None = None,
        tool_file: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
        scripted_tools: str | os.PathLike[str] | None = None,
        workspace: str | os.PathLike[str] | None = None,
        index: str | os.PathLike[str] | None = None,
        ledger: str | os.PathLike[str] | None = None,
        search: str | Sequence[str] | None = None,
        embeddings: str | None = None,
        embeddings_model: str | None = None,
        embeddings_key_env: str | None = None,
        proxy: str | None = None,
        proxy_names: Literal["checked", "trusted"] | None = None,
        allow_domain: str | Sequence[str] | None = None,
        allow_origin: str | Sequence[str] | None = None,
        page_text: Literal["whole", "main"] | None = None,
        save_files: str | os.PathLike[str] | None = None,
        page_cache: str | os.PathLike[str] | None = None,
        mcp: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        otlp: str | None = None,
        device: Literal["auto", "cpu", "cuda"] | None = None,
        precision: Literal["auto", "f32", "fast"] | None = None,
        kv: Literal["auto", "f32", "f16", "q8"] | None = None,
        prefix_cache: int | None = None,
        prefix_folder: str | os.PathLike[str] | None = None,
        constrain: Literal["auto", "off"] | None = None,
        offline: bool | None = None,
    ):
        options = {k: v for k, v in locals().items() if v is not None and k not in ("self", "model", "tools", "output_schema", "mcp")}
        functions = [t if isinstance(t, Tool) else tool(t) for t in tools if not isinstance(t, str)]
        if output_schema is not None and not isinstance(output_schema, dict):
            if not hasattr(output_schema, "model_json_schema"):
                raise TypeError(f"output_schema is {output_schema!r}, expected a dict or a pydantic model")
            output_schema = output_schema.model_json_schema()
        for name in ("workspace", "index", "ledger", "save_files", "page_cache", "python", "scripted_tools", "prefix_folder"):
            if name in options:
                options[name] = os.fspath(options[name])
        for name in ("search", "allow_domain", "allow_origin", "max_calls", "mount", "sandbox_net", "approve_rule", "tool_file"):
            if name in options and not isinstance(options[name], (str, os.PathLike)):
                options[name] = list(options[name])
        if "tool_file" in options:
            named = options["tool_file"]
            options["tool_file"] = [os.fspath(file) for file in ([named] if isinstance(named, (str, os.PathLike)) else named)]
        files = [mcp] if isinstance(mcp, (str, os.PathLike)) else mcp
        settings = options | {
            "model": os.fspath(model),
            "tools": [t for t in tools if isinstance(t, str)],
            "mcp": [os.fspath(file) for file in files],
            "output_schema": "" if output_schema is None else json.dumps(output_schema),
        }
        self._agent = _toccata.Agent(
            json.dumps(settings),
            [(f.name, f.description, json.dumps(f.parameters), f._call, f.pure, f.concurrent) for f in functions],
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
        """One turn: from a message to the answer. Further runs go on in the same conversation.

        What the model or a tool does never raises: Result.check() does. What `on_event` raises stops the run and is
        raised here. ValueError when this agent is running already.
        """
        return self._drain(self.stream(message), on_event)

    def resume(self, run_id: str, message: str | None = None, *, on_event: Callable[[Event], None] | None = None) -> Result:
        """Goes on with a recorded run of the same ledger; the first thing an agent does. exit_code 2: it cannot be."""
        return self._drain(_Stream(self, lambda sink: self._agent.resume(run_id, message, sink)), on_event)

    def stream(self, message: str) -> _Stream:
        """The events of a turn as they come; `.result` afterwards. Leaving the loop early stops the run."""
        return _Stream(self, lambda sink: self._agent.run(message, sink))

    async def arun(self, message: str) -> Result:
        """As run(), without blocking the event loop."""
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


class _Stream:
    """Events as they come, once; `result` afterwards.

    The run is on a thread of its own, so that Ctrl-C and other threads get through.
    """

    def __init__(self, agent: Agent, work: Callable[[Callable[[str], None]], str]):
        self._agent = agent
        self._queue: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._result: Result | None = None
        self._items: list[dict[str, Any]] = []

        def hear(text: str) -> None:
            event = json.loads(text)
            if event["type"] == "item.completed":
                self._items.append(event["item"])
            self._queue.put(("event", event))

        def run() -> None:
            try:
                outcome = work(hear)
                self._queue.put(("result", Result(**json.loads(outcome), items=self._items)))
            except BaseException as error:  # goes to whoever reads the stream
                self._queue.put(("error", error))

        self._thread = threading.Thread(target=run, name="toccata run", daemon=True)
        self._thread.start()

    @property
    def result(self) -> Result:
        """How the run ended; what has not been read yet is skipped. Raises what the run raised."""
        for _ in self:
            pass
        assert self._result is not None
        return self._result

    def __iter__(self) -> Generator[Event, None, None]:
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
    """As _Stream, for `async for`."""

    def __init__(self, stream: _Stream):
        self._stream = stream

    @property
    def result(self) -> Result:
        """How the run ended."""
        return self._stream.result

    async def __aiter__(self) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        events = iter(self._stream)
        end: Any = object()
        try:
            while (event := await loop.run_in_executor(None, next, events, end)) is not end:
                yield event
        finally:
            events.close()
