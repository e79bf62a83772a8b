# SPDX-License-Identifier: Apache-2.0
"""The folder of a model that is one network of ours: NAME.json and network/model.safetensors."""

from multishade.extras import require

require("torch", "safetensors", extra="train")

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from multishade.errors import ModelError
from multishade.models.base import ModelSettings
from multishade.models.hub import fetch_file, load_part, read_json

WEIGHTS = "network/model.safetensors"
RECORD = "record"  # in NAME.json, beside the settings: where the weights come from
S = TypeVar("S", bound=ModelSettings)


def save_folder(
    folder: str | Path,
    name: str,
    settings: ModelSettings,
    network: nn.Module,
    dtype: torch.dtype | None,
    *,
    file: str = WEIGHTS,
    record: Mapping[str, Any] | None = None,
) -> None:
    """Write a model's folder.

    Args:
        folder: Created if it does not exist.
        name: Of the model, as in the registry.
        settings: Of the model.
        network: Its state dict is stored.
        dtype: Of the stored floats, torch.float16 halves them; None: as they are.
        file: The path of the weights inside it.
        record: Is stored beside the settings; see `read_record`.
    """
    from safetensors.torch import save_file

    place = Path(folder)
    (place / file).parent.mkdir(parents=True, exist_ok=True)
    weights = {
        key: value.detach().to("cpu", dtype if value.is_floating_point() else None).contiguous()
        for key, value in network.state_dict().items()
    }
    save_file(weights, place / file)
    content = settings.as_json() if record is None else {**settings.as_json(), RECORD: dict(record)}
    text = json.dumps(content, indent=2, sort_keys=True)
    (place / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def read_folder(
    source: str | Path, name: str, kind: type[S], file: str = WEIGHTS
) -> tuple[S, dict[str, Tensor]]:
    """Read a folder, or a name on the Hub, that `save_folder` wrote.

    Args:
        source: The folder or name.
        name: Of the model.
        kind: Class of its settings.
        file: The path of the weights.

    Returns:
        Settings and weights.

    Raises:
        ModelError: If something is missing or damaged.
    """
    from safetensors.torch import load_file

    content = read_json(source, f"{name}.json")
    weights = fetch_file(source, file)
    if content is None or weights is None:
        missing = file if weights is None else f"{name}.json"
        raise ModelError(f"{source}: no {missing} in it; is this the folder of a {name} model?")
    content = {key: value for key, value in content.items() if key != RECORD}
    settings = kind.from_json(content, f"{source}/{name}.json")
    return settings, load_part(weights, "network", load_file)


def read_record(source: str | Path, name: str) -> dict[str, Any]:
    """Read the record of a model's folder, or of a name on the Hub: the origin of its weights; {} if there is none."""
    content = read_json(source, f"{name}.json") or {}
    record = content.get(RECORD)
    return dict(record) if isinstance(record, dict) else {}


def load_weights(network: nn.Module, weights: dict[str, Tensor], source: str | Path, name: str) -> None:
    """Load weights into a network, floats as float32.

    Args:
        network: Changed in place.
        weights: Of `read_folder`.
        source, name: For the error.

    Raises:
        ModelError: If the weights are not exactly the network's; names the first that differ.
    """
    found = {key: tuple(value.shape) for key, value in weights.items()}
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    if found != expected:
        wrong = sorted(key for key in found.keys() | expected if found.get(key) != expected.get(key))
        raise ModelError(f"{source}: weights do not fit {name} of these settings: {', '.join(wrong[:3])}")
    network.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}
    )
