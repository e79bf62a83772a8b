# SPDX-License-Identifier: Apache-2.0
"""YAML text -> plain data and the nodes with their lines, or a short error that names the line.

YAML's own rules let the last of two equal keys win in silence, and let a page of aliases stand for gigabytes. Both are
errors here.
"""

import re
from typing import Any

import yaml

from multishade.errors import MultiShadeError

LARGEST = 100_000  # values, each counted as often as aliases repeat it
LONGEST_NUMBER = 400  # characters; Python takes hours over some that are longer
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_SPELLED = (*_NUMBERS, "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")  # in several ways
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def parse_yaml(text: str, source: str, error: type[MultiShadeError]) -> tuple[yaml.Node | None, Any]:
    """Parse one YAML document.

    Args:
        text: The document.
        source: How messages name it: a path, or an option.
        error: The exception to raise.

    Returns:
        The root node, None of an empty document, and the data.

    Raises:
        MultiShadeError: `error`, if it is not valid YAML, sets a key of a mapping twice, contains itself, is nested too
            deeply or stands for more than `LARGEST` values.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _require_sane(node, source, error, {}, set())
        return node, yaml.safe_load(text)
    except yaml.YAMLError as failure:
        raise error(f"{source}: is not valid YAML: {failure}") from failure
    except RecursionError:
        raise error(f"{source}: is nested too deeply for a list of settings") from None
    except ValueError as failure:  # a date such as 2026-13-45, a number of thousands of digits
        raise error(f"{source}: holds a value that cannot be read: {failure}") from failure


def _require_sane(
    node: yaml.Node, source: str, error: type[MultiShadeError], sizes: dict[int, int], above: set[int]
) -> int:
    """Raise if keys are equal, aliases lead in circles, or the values, which are returned, are too many."""
    if id(node) in sizes:
        return sizes[id(node)]
    line = node.start_mark.line + 1
    if id(node) in above:
        raise error(f"{source}:{line}: contains itself through an alias")
    if isinstance(node, yaml.ScalarNode):
        _require_scalar(node, f"{source}:{line}", error)
    children: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        children = node.value
    elif isinstance(node, yaml.MappingNode):
        first: dict[tuple[str, str], int] = {}  # tag and text of a key -> its line
        for key, value in node.value:
            children += [key, value]
            name, again = _name_of(key), key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and name in first:
                raise error(
                    f"{source}:{again}: '{key.value}' is set twice, before in line {first[name]}; keep one of them"
                )
            first[name] = again
    size = 1
    above.add(id(node))
    for child in children:
        size += _require_sane(child, source, error, sizes, above)
        if size > LARGEST:
            raise error(f"{source}:{line}: stands for more than {LARGEST:,} values through its aliases")
    above.remove(id(node))
    sizes[id(node)] = size
    return size


def _require_scalar(node: yaml.ScalarNode, place: str, error: type[MultiShadeError]) -> None:
    """Raise for a number that takes long to read, and for text that no file, terminal or path can hold."""
    if node.tag in _NUMBERS and len(node.value) > LONGEST_NUMBER:
        raise error(f"{place}: a number of {len(node.value):,} characters; {LONGEST_NUMBER} are enough")
    found = _NO_TEXT.search(node.value)
    if found is not None:
        raise error(f"{place}: the character U+{ord(found.group()):04X}, which is no text")


def _name_of(key: yaml.Node) -> tuple[str, str]:
    """Tag and value of a key, so that `1` and `0x1`, which are one key, are equal."""
    if isinstance(key, yaml.ScalarNode) and key.tag in _SPELLED and len(key.value) <= LONGEST_NUMBER:
        return key.tag, repr(yaml.safe_load(key.value)) if key.value.strip() else ""
    return key.tag, str(key.value)
