# SPDX-License-Identifier: Apache-2.0
"""A model's place, a folder or a name on the Hugging Face Hub -> its files; a folder -> the Hub."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from multishade.errors import ModelError
from multishade.extras import require
from multishade.storage.hosts import unreachable
from multishade.text import parse_json, read_regular

SETTINGS_BYTES = 4 << 20  # of a JSON file of a model
Loaded = TypeVar("Loaded")


def read_json(source: str | Path, name: str) -> dict[str, Any] | None:
    """Read a JSON object of a model.

    Args:
        source: A folder, or a name on the Hub.
        name: The file's path inside it.

    Returns:
        The object, or None if there is no such file.

    Raises:
        ModelError: If the file is not a JSON object or larger than `SETTINGS_BYTES`, or the source does not exist.
    """
    path = fetch_file(source, name)
    if path is None:
        return None
    try:
        content = parse_json(read_regular(path, SETTINGS_BYTES))
    except (OSError, ValueError) as error:
        raise ModelError(f"{source}/{name}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise ModelError(f"{source}/{name}: holds {type(content).__name__}, not an object with names")
    return content


def fetch_file(source: str | Path, name: str) -> Path | None:
    """Return the local path of one file, downloaded from the Hub if `source` is no folder; None if it has none.

    Raises:
        ModelError: If the source is neither a folder nor on the Hub, or the Hub cannot be reached.
    """
    if Path(source).is_dir():
        path = Path(source) / name
        return path if path.is_file() else None
    require("huggingface_hub", extra="train")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    offline = unreachable(ENDPOINT)
    try:
        return Path(hf_hub_download(str(source), name, local_files_only=offline is not None))
    except LocalEntryNotFoundError as error:
        reason = offline or str(error)
        raise ModelError(
            f"{source}: not a folder here, and {ENDPOINT} cannot be reached: {reason}"
        ) from error
    except EntryNotFoundError:
        return None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelError(f"{source}: neither a folder nor a model on the Hub: {error}") from error


def load_part(source: str | Path, part: str, load: Callable[[str], Loaded]) -> Loaded:
    """Run a library's own loader, and check the weights.

    Args:
        source: A folder, a file, or a name on the Hub.
        part: What is loaded, for messages.
        load: Takes the source; returns a module, a pair of one and a report, or tensors by name.

    Raises:
        ModelError: Naming source and part, if it fails or a weight is not finite.
    """
    require("safetensors", extra="train")
    from safetensors import SafetensorError

    try:
        loaded = load(str(source))
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"{source}: its {part} cannot be loaded: {error}") from error
    _require_finite(f"{source}: its {part}", loaded[0] if isinstance(loaded, tuple) else loaded)
    return loaded


def _require_finite(what: str, loaded: Any) -> None:
    require("torch", extra="train")
    import torch

    if isinstance(loaded, torch.nn.Module):
        loaded = loaded.state_dict()
    tensors: Mapping[str, torch.Tensor] = loaded if isinstance(loaded, Mapping) else {}
    for name, tensor in tensors.items():
        # Weights that the file lacks are on the device "meta"; the loader's report names them.
        if tensor.is_floating_point() and not tensor.is_meta and not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"{what} has weights that are not finite, in {name}: it is damaged; fetch it again"
            )


def push(folder: Path, repository: str, private: bool, title: str = "model") -> None:
    """Upload a model's folder to the Hub.

    Args:
        folder: What `save_pretrained` wrote. It stays where it is.
        repository: USER/NAME; created if it does not exist.
        private: Whether a new repository is private.
        title: What the model is called in the commit's message.

    Raises:
        ModelError: If the Hub cannot be reached or refuses.
    """
    require("huggingface_hub", extra="train")
    from huggingface_hub import HfApi

    try:
        HfApi().create_repo(repository, private=private, exist_ok=True)
        HfApi().upload_folder(repo_id=repository, folder_path=str(folder), commit_message=title)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{repository}: cannot be pushed to the Hub ({error}); the model is in {folder}; "
            "log in with `hf auth login` and push it with `hf upload`"
        ) from error
