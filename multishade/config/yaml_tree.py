# SPDX-License-Identifier: Apache-2.0
"""YAML text -> plain data and the nodes with their lines, or a short error that names the line.

YAML's own rules let the last of two equal keys win in silence, and let a page of aliases stand for gigabytes. Both are
errors here.
"""

from typing import Any

import yaml

from multishade.errors import MultiShadeError

LARGEST = 100_000  # values, each counted as often as aliases repeat it


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
    children: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        children = node.value
    elif isinstance(node, yaml.MappingNode):
        first: dict[tuple[str, str], int] = {}  # tag and text of a key -> its line
        for key, value in node.value:
            children += [key, value]
            name, again = (key.tag, str(key.value)), key.start_mark.line + 1
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
