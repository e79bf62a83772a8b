# SPDX-License-Identifier: Apache-2.0
"""The trained models by name, and the one that a folder or a Hub name holds. Importing this imports no torch.

Other installed packages add models by entry points: docs/add-a-model.md.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from multishade.errors import ModelError
from multishade.extras import is_installed, require
from multishade.models.bundled import bundled_model, resolve_model
from multishade.models.hub import fetch_file
from multishade.plugins import MODELS_GROUP, load_class, with_installed

if TYPE_CHECKING:
    import torch

    from multishade.models.base import Model

# name -> module:class. A folder that holds NAME.json is of model NAME.
MODELS = {
    "rose": "multishade.models.rose.model:RoSE",
    "wild": "multishade.models.wild.model:Wild",
    "ps-fcn": "multishade.models.ps_fcn.model:PSFCN",
    "iga-psn": "multishade.models.iga_psn.model:IGAPSN",
    "irondepth": "multishade.models.irondepth.model:IronDepth",
    "surface": "multishade.models.surface.model:Surface",
}
ONNX_MODELS = {"rose": "multishade.models.rose.runtime:OnnxRoSE"}
Runtime = Literal["torch", "onnx", "auto"]
# Published checkpoints have no settings file of ours; this file identifies them.
PUBLISHED = {"rose": "unet/config.json"}


def model_class(name: str) -> "type[Model]":
    """Import a model's class.

    Args:
        name: A key of `MODELS`, or a model of another installed package.

    Returns:
        The class.

    Raises:
        ModelError: If there is no such model.
    """
    known = MODELS if name in MODELS else model_names()
    if name not in known:
        raise ModelError(f"no model {name!r}; there are {', '.join(known)}")
    found: type[Model] = load_class(name, known[name], ModelError)
    return found


def model_names() -> dict[str, str]:
    """List all models, ours and those of other installed packages.

    Returns:
        Name -> "module:class".

    Raises:
        ModelError: If two packages register one name.
    """
    return with_installed(MODELS_GROUP, MODELS, ModelError)


def model_name(source: str | Path) -> str:
    """Recognise the model that a folder or a Hub name holds.

    Args:
        source: A folder, a name on the Hugging Face Hub, or the file of a published checkpoint of PS-FCN or IGA-PSN.

    Returns:
        A key of `model_names()`.

    Raises:
        ModelError: If it holds none.
    """
    if Path(source).is_file():
        from multishade.models.ps_fcn.published import published_weights

        return published_weights(Path(source))[0]
    for name in MODELS:  # before other packages are searched, which takes a moment
        if fetch_file(source, f"{name}.json") is not None:
            return name
    for name, file in PUBLISHED.items():
        if fetch_file(source, file) is not None:
            return name
    known = model_names()
    for name in known.keys() - MODELS.keys():
        if fetch_file(source, f"{name}.json") is not None:
            return name
    files = ", ".join(f"{name}.json" for name in known)
    raise ModelError(f"{source}: no {files} and no unet/config.json in it; is this the folder of a model?")


def load_model(
    source: str | Path | None = None,
    device: "str | torch.device | None" = None,
    dtype: "torch.dtype | None" = None,
    *,
    runtime: Runtime = "torch",
    **options: Any,
) -> "Model":
    """Load a trained model of any kind.

    Args:
        source: A folder that training wrote, a name on the Hugging Face Hub, or that of a bundled model, such as
            "wild"; None is the bundled RoSE.
        device: "cpu", "cuda", "cuda:1", "mps"; default the CPU.
        dtype: Of the networks while they run, such as torch.float16; default float32.
        runtime: What runs the network: "torch", or "onnx", onnxruntime on the CPU, of a folder with model.onnx, whose
            `predict` takes and returns arrays; "auto": "onnx" if the folder has the file, onnxruntime is installed and
            no other argument is given, else "torch".
        **options: Of the model's own `from_pretrained`, such as `base` for RoSE.

    Returns:
        The model; `multishade.infer` takes it.

    Raises:
        ModelError: If there is no such model, it is damaged, or torch cannot use the device.
        MissingPackageError: If the packages of the runtime are not installed.
    """
    place = bundled_model() if source is None else resolve_model(source)
    if runtime == "auto":
        plain = device is None and dtype is None and not options
        # With neither installed the smaller one is asked for.
        either = is_installed("onnxruntime") or not is_installed("torch")
        runtime = "onnx" if plain and has_onnx(place) and either else "torch"
    if runtime == "onnx":
        if device is not None or dtype is not None or options:
            raise ModelError("onnxruntime runs the network on the CPU as it is stored: take runtime torch")
        return _onnx_class(model_name(place)).from_pretrained(place)
    require("torch", "diffusers", "huggingface_hub", "safetensors", "transformers", extra="train")
    if device is not None:
        _require_device(str(device))
    return model_class(model_name(place)).from_pretrained(place, device=device, dtype=dtype, **options)


def has_onnx(source: str | Path) -> bool:
    """Tell whether a folder has an exported network.

    Args:
        source: A folder.

    Returns:
        Whether the runtime "onnx" can run it.
    """
    return (Path(source) / "model.onnx").is_file()


def _onnx_class(name: str) -> Any:
    module, _, attribute = ONNX_MODELS[name].partition(":")
    return getattr(import_module(module), attribute)


def _require_device(device: str) -> None:
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(f"device {device}: this machine has no CUDA device that torch can use")
    if device.startswith("mps") and not torch.backends.mps.is_available():
        raise ModelError(f"device {device}: this machine has no Metal device that torch can use")
