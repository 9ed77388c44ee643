"""Python functions as tools: the schema from type hints, the description from the docstring."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
import re
import types
import typing
from collections.abc import Callable
from typing import Any

_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def schema_of(hint: Any) -> dict[str, Any]:
    """JSON schema of a type hint. TypeError names a hint that has none."""
    if hint in (Any, inspect.Parameter.empty):
        return {}
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if hasattr(hint, "model_json_schema"):
        schema: dict[str, Any] = hint.model_json_schema()
        return schema
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        described = [a for a in args[1:] if isinstance(a, str)]
        return schema_of(args[0]) | ({"description": described[0]} if described else {})
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema_of(a) for a in args]}
    if origin is typing.Literal:
        return {"enum": list(args)}
    if hint is list or origin in (list, set, frozenset):
        return {"type": "array"} | ({"items": schema_of(args[0])} if args else {})
    if hint is tuple or origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return {"type": "array", "items": schema_of(args[0])}
        return {"type": "array"} | (
            {"prefixItems": [schema_of(a) for a in args], "items": False, "minItems": len(args)} if args else {}
        )
    if hint is dict or origin is dict:
        return {"type": "object"} | ({"additionalProperties": schema_of(args[1])} if args else {})
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [member.value for member in hint]}
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint, include_extras=True)
        required = [f.name for f in dataclasses.fields(hint) if f.default is f.default_factory is dataclasses.MISSING]
        return _object({f.name: schema_of(hints[f.name]) for f in dataclasses.fields(hint)}, required)
    raise TypeError(f"no JSON schema for the type {hint!r}: use str, int, float, bool, list, dict, Literal, Enum, a dataclass or a pydantic model")


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _convert(value: Any, hint: Any) -> Any:
    """JSON's value as what the hint says."""
    if hasattr(hint, "model_validate"):
        return hint.model_validate(value)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _convert(value, args[0])
    if origin in (typing.Union, types.UnionType):
        models = [a for a in args if a is not type(None)]
        return value if value is None or len(models) != 1 else _convert(value, models[0])
    if origin in (list, set, frozenset) and args:
        return origin(_convert(v, args[0]) for v in value)
    if origin is tuple and args:
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else args
        return tuple(_convert(v, k) for v, k in zip(value, kinds))
    if origin is dict and args:
        return {k: _convert(v, args[1]) for k, v in value.items()}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return hint(**{k: _convert(v, hints[k]) for k, v in value.items()})
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _parse_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """The text before "Args:", and what it says of each argument (Google style)."""
    text = inspect.cleandoc(text or "")
    before, _, after = text.partition("\nArgs:\n")
    after = re.split(r"\n(?=\S)", after)[0]
    described: dict[str, str] = {}
    name = None
    for line in after.splitlines():
        if match := re.match(r"^ {1,8}(\w+)(?: \([^)]*\))?: (.*)$", line):
            name = match[1]
            described[name] = match[2]
        elif name and line.strip():
            described[name] += " " + line.strip()
    return before.strip(), described


class Tool:
    """A function the model may call. Calling it calls the function.

    `parameters` is the JSON schema from its hints, `description` its docstring before "Args:". Raises TypeError for a
    hint that has no schema and for arguments that cannot be given by name.
    """

    def __init__(self, function: Callable[..., Any], *, name: str | None = None, description: str | None = None, pure: bool = False,
                 concurrent: bool = False):
        self.function = function
        self.name = name or function.__name__
        self.pure = pure
        self.concurrent = concurrent
        documented, arguments = _parse_docstring(function.__doc__)
        self.description = documented if description is None else description
        self._hints = typing.get_type_hints(function, include_extras=True)
        properties, required = {}, []
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise TypeError(f"{self.name}: a tool takes arguments by name; {parameter} cannot be given so")
            schema = schema_of(self._hints.get(parameter.name, Any))
            if parameter.name in arguments and "description" not in schema:
                schema["description"] = arguments[parameter.name]
            if parameter.default is parameter.empty:
                required.append(parameter.name)
            elif parameter.default is None or isinstance(parameter.default, (str, int, float, bool)):
                schema["default"] = parameter.default
            properties[parameter.name] = schema
        self.parameters = _object(properties, required)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Tool {self.name}{inspect.signature(self.function)}>"

    def _call(self, arguments: str) -> str:
        given = json.loads(arguments or "{}")
        unknown = sorted(set(given) - set(self.parameters["properties"]))
        missing = sorted(set(self.parameters["required"]) - set(given))
        if unknown or missing:
            raise TypeError("; ".join(
                f"{what} arguments: {', '.join(names)}" for what, names in (("unknown", unknown), ("missing", missing)) if names
            ))
        result = self.function(**{k: _convert(v, self._hints.get(k, Any)) for k, v in given.items()})
        if isinstance(result, str):
            return result
        if hasattr(result, "model_dump_json"):
            return str(result.model_dump_json())
        if dataclasses.is_dataclass(result) and not isinstance(result, type):
            result = dataclasses.asdict(result)
        return json.dumps(result, ensure_ascii=False, default=str)


def tool(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Makes a function a tool: `@tool`, or `@tool(name=..., description=..., pure=True, concurrent=True)`.

    `pure`: it changes nothing, so an interrupted run may call it again when it is resumed.
    `concurrent`: it may run on several threads at a time. What is pure as well may be called before the model asks for it
    (look_ahead), and for nothing.
    """
    if function is None:
        return lambda f: Tool(f, **options)
    return Tool(function, **options)
