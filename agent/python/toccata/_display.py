"""How a notebook shows a run: the answer, and above it, folded, what led there. Everything is escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any

_TEXT_MAX = 20_000  # characters of one text; a notebook keeps its outputs
_ITEMS_MAX = 200


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)
    if len(text) > _TEXT_MAX:
        text = f"{text[:_TEXT_MAX]}\n... {len(text) - _TEXT_MAX} more characters"
    return html.escape(text, quote=True)


def _block(value: Any) -> str:
    return f'<pre style="white-space:pre-wrap;margin:.3em 0">{_text(value)}</pre>'


def _fold(title: str, body: str, opened: bool = False) -> str:
    return f"<details{' open' if opened else ''}><summary>{html.escape(title)}</summary>{body}</details>"


def _item(item: dict[str, Any]) -> str:
    kind = item.get("type")
    failed = " (failed)" if item.get("status") == "failed" else ""
    if kind == "reasoning":
        return _fold("reasoning", _block(item.get("text", "")))
    if kind == "command_execution":
        return _fold(f"code{failed}", _block(item.get("command", "")) + "output" + _block(item.get("aggregated_output", "")))
    if kind == "mcp_tool_call":
        said = item.get("error") or item.get("result")
        if isinstance(said, dict):
            said = said.get("message") or "\n".join(str(c.get("text", "")) for c in said.get("content", []))
        name = f"{item.get('server')}.{item.get('tool')}{failed}"
        return _fold(name, _block(item.get("arguments", "")) + "result" + _block(said or ""))
    if kind == "web_search":
        return _fold(f"search: {item.get('query', '')}"[:200], _block(item.get("result") or ""))
    if kind == "agent_message" and item.get("phase") == "preamble":
        return f"<p><i>{_text(item.get('text', ''))}</i></p>"
    if kind == "error":
        return f"<p><small>{_text(item.get('message', ''))}</small></p>"
    return ""  # the answer, which stands below


def run_html(
    items: Iterable[dict[str, Any]], *, final: str, ok: bool, reason: str, message: str, run_id: str, usage: dict[str, int]
) -> str:
    items = list(items)
    parts = [_item(item) for item in items[:_ITEMS_MAX]]
    if len(items) > _ITEMS_MAX:
        parts.append(f"<p><small>... {len(items) - _ITEMS_MAX} more; the ledger has all</small></p>")
    if not ok:
        parts.append(f"<p><b>No answer</b> ({_text(reason)}): {_text(message)}</p>")
    if final:
        parts.append(_block(final))
    tokens = f"{usage.get('input_tokens', 0)} tokens in, {usage.get('output_tokens', 0)} out"
    parts.append(f"<small>run {_text(run_id)}, {tokens}</small>")
    return f'<div class="toccata-run">{"".join(parts)}</div>'
