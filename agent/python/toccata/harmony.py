"""The harmony format: conversations to token ids, completions to messages.

A message is a dict as openai-harmony writes it: {"role", "content", "name"?, "channel"?, "recipient"?, "content_type"?}.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from . import _toccata


class Warning(NamedTuple):
    """Something odd that was met and mended; `position` is the index of the token."""

    position: int
    what: str


class Parsed(NamedTuple):
    """Messages in order, and what had to be mended to read them."""

    messages: list[dict[str, Any]]
    warnings: list[Warning]


def render(messages: Sequence[dict[str, Any]], *, next_role: str | None = "assistant", live: bool = False) -> list[int]:
    """Token ids of a prompt: all messages, then the opening of `next_role` (None: none).

    The default is openai-harmony's rendering, byte for byte; `live` is what Toccata's own agents use: calls in the order
    in which the models write them, tool types in full. ValueError names the field that is wrong.
    """
    return _toccata.render(json.dumps({"messages": list(messages)}), next_role, live)


def parse(tokens: Sequence[int], *, role: str | None = "assistant", tools: Sequence[str] = (), strict: bool = False) -> Parsed:
    """Messages of a completion that began in the header of `role` (None: it begins with its own <|start|>).

    Lenient, it takes everything a model may write and says what it mended; with `strict` it raises ValueError where
    openai-harmony would. `tools`: declared recipients ("functions.f"), to which garbled names are resolved.
    """
    out = json.loads(_toccata.parse(list(tokens), role, list(tools), strict))
    return Parsed(out["messages"], [Warning(w["position"], w["what"]) for w in out["warnings"]])
