from __future__ import annotations

import functools
import json
from typing import Any

from . import _toccata


class Grammar:
    """The texts that satisfy a JSON schema (a dict, JSON text, or a pydantic model) or a regular expression.

    Raises NotImplementedError naming keyword and path of what cannot be enforced; nothing is ignored.
    """

    def __init__(self, schema: dict[str, Any] | bool | str | type):
        if hasattr(schema, "model_json_schema"):
            schema = schema.model_json_schema()
        self._grammar = _toccata.Grammar.from_schema(schema if isinstance(schema, str) else json.dumps(schema))

    @classmethod
    def regex(cls, pattern: str) -> Grammar:
        """Texts that match `pattern` as a whole. ValueError says what is wrong with a pattern."""
        self = cls.__new__(cls)
        self._grammar = _toccata.Grammar.from_regex(pattern)
        return self

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` is in the grammar."""
        return self._grammar.matches(text)

    def matcher(self, tokenizer: _toccata.Tokenizer) -> Matcher:
        """Follows one growing text in tokens of `tokenizer`."""
        return Matcher(self, tokenizer)


@functools.lru_cache(maxsize=4)
def _trie(tokenizer: _toccata.Tokenizer) -> _toccata.TokenTrie:
    return _toccata.TokenTrie(tokenizer)


class Matcher:
    """Which tokens may come next, and what became of those that came. One thread at a time."""

    def __init__(self, grammar: Grammar, tokenizer: _toccata.Tokenizer):
        self._matcher = _toccata.Matcher(grammar._grammar, _trie(tokenizer))

    def mask(self) -> bytes:
        """One bit a token, least significant first, in [ceil(n_vocab / 32)] 32-bit words: numpy.frombuffer(mask, "<u4")."""
        return self._matcher.mask()

    def allows(self, token: int) -> bool:
        """Whether this token may come next."""
        return self._matcher.allows(token)

    def accept(self, token: int) -> bool:
        """Takes the token, or returns False and changes nothing."""
        return self._matcher.accept(token)

    def accept_text(self, text: str) -> bool:
        """Takes the text, character by character, or returns False and changes nothing."""
        return self._matcher.accept_text(text)

    def rollback(self, n: int) -> None:
        """Takes back the last n accepted tokens. ValueError when there were fewer."""
        self._matcher.rollback(n)

    def forced_text(self) -> bytes:
        """The bytes that must come next, whatever is chosen."""
        return self._matcher.forced_text()

    @property
    def at_end(self) -> bool:
        """Whether the text may end here."""
        return self._matcher.at_end
