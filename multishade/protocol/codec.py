# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses <-> plain JSON data, checked field by field.

Standard library only, since Blender's Python imports this file.
"""

import dataclasses
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class ProtocolError(ValueError):
    """A message that cannot be understood: an unknown kind, an unknown or missing field, a value of the wrong type."""


def to_json(value: Any) -> dict[str, Any]:
    """Convert a dataclass instance, nested ones included, to plain data for `json.dumps`."""
    return dataclasses.asdict(value)


def from_json(cls: type[T], data: Any, place: str = "") -> T:
    """Build the dataclass `cls`, nested ones included, from plain data.

    Args:
        cls: A dataclass whose fields are numbers, strings, booleans, literals, tuples, dictionaries, other
            dataclasses, or one of these or None.
        data: What `json.loads` returned: a dictionary with one entry per field. Fields that have a default may
            be missing.
        place: Name of the value in error messages; default: the name of the class.

    Returns:
        An instance of `cls`. Lists become tuples.

    Raises:
        ProtocolError: If a field is unknown or missing, or a value has the wrong type; the message names it.
    """
    place = place or cls.__name__
    if not isinstance(data, dict):
        raise ProtocolError(f"{place}: {data!r} is not an object with the fields of {cls.__name__}")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if unknown := [name for name in data if name not in fields]:
        raise ProtocolError(
            f"{place}: unknown field {unknown[0]!r}; the fields of {cls.__name__} are {', '.join(fields)}"
        )
    missing = [
        name
        for name, field in fields.items()
        if name not in data
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ProtocolError(f"{place}: field {missing[0]!r} is missing")
    hints = get_type_hints(cls)
    return cls(**{name: _decode(hints[name], value, f"{place}.{name}") for name, value in data.items()})


def _decode(hint: Any, value: Any, place: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_json(hint, value, place)  # type: ignore[arg-type]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _decode_any(tuple(one for one in arguments if one is not type(None)), value, place)
    if origin is tuple:
        return _decode_tuple(arguments, value, place)
    if origin is dict:
        if not isinstance(value, dict):
            raise ProtocolError(f"{place}: {value!r} is not an object")
        return {name: _decode(arguments[1], item, f"{place}[{name!r}]") for name, item in value.items()}
    if origin is Literal:
        if value not in arguments:
            raise ProtocolError(f"{place}: {value!r} is not one of {', '.join(map(repr, arguments))}")
        return value
    if hint is Any:
        return value
    if not _is_a(value, hint):
        raise ProtocolError(f"{place}: {value!r} is not of type {hint.__name__}")
    return value


def _decode_any(hints: tuple[Any, ...], value: Any, place: str) -> Any:
    """The value as the first of these types that it fits."""
    for hint in hints[:-1]:
        try:
            return _decode(hint, value, place)
        except ProtocolError:
            continue
    return _decode(hints[-1], value, place)


def _decode_tuple(arguments: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ProtocolError(f"{place}: {value!r} is not a list")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(value) != len(arguments):
        raise ProtocolError(f"{place}: has {len(value)} values, not {len(arguments)}")
    return tuple(
        _decode(hint, item, f"{place}[{number}]")
        for number, (hint, item) in enumerate(zip(arguments, value, strict=True))
    )


def _is_a(value: Any, kind: type) -> bool:
    """JSON has one kind of number: an integer will do for a float, but a boolean is not a number."""
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)
