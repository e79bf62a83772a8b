# SPDX-License-Identifier: Apache-2.0
"""A one-step RoSE -> its network as an ONNX file, which `runtime` runs without torch.

Input `photo` (B, 3, H, W), display-encoded, 0 to 1, H and W multiples of the model's; outputs `frames` (B, K, H, W), 0
to 1, or normals (B, 3, H, W), and, of a model with these heads, `coverage` (B, 1, H, W), 0 to 1, and `error`
(B, 1, H, W), radians. All float32 outside; the weights are stored in half precision, as the bundled safetensors are.
"""

from multishade.extras import is_installed, require

require("torch", extra="train")

import copy
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from multishade.errors import ModelError
from multishade.models.rose.model import RoSE
from multishade.models.rose.runtime import INPUT, OnnxRoSE
from multishade.models.rose.settings import FILE_NAME

OPSET = 18
LEAST_HALVED = 1024  # values of a weight that is worth a node of its own


class _Graph(nn.Module):
    """What `RoSE.one_step` computes, with the heads' last functions, as one module."""

    def __init__(self, model: RoSE) -> None:
        super().__init__()
        self.network = model.unet
        self._model = model

    def forward(self, photo: Tensor) -> tuple[Tensor, ...]:
        outputs = self._model.one_step(photo)
        found = [outputs.frames]
        if outputs.coverage is not None:
            found.append(outputs.coverage.sigmoid())
        if outputs.error is not None:
            found.append(outputs.error.exp())
        return tuple(found)


def export_onnx(model: RoSE, path: Path, opset: int = OPSET) -> Path:
    """Write the network of a one-step model.

    Args:
        model: With the frames as channels, without a VAE.
        path: The file.
        opset: Version of ONNX's operators.

    Returns:
        The file.

    Raises:
        ModelError: If the model takes more than one step, or needs a VAE or CLIP.
        MissingPackageError: If onnx is not installed.
    """
    require("onnx", extra="export")
    import onnx

    if model.settings.process != "one_step" or model.clip is not None or any(model.codec.parameters()):
        raise ModelError("only one-step models without VAE and CLIP can be written as ONNX")
    rounded = RoSE(copy.deepcopy(model.parts)).to("cpu", torch.float16).to(dtype=torch.float32)
    size = max(2 * model.multiple, model.settings.size)
    names = ["frames", *model.settings.heads]
    free = {0: "batch", 2: "height", 3: "width"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # Sizes that the trace takes for constants are those of the photo, which are named as free.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Graph(rounded).eval(),
            (torch.rand(2, 3, size, size),),
            str(path),
            input_names=[INPUT],
            output_names=names,
            opset_version=opset,
            dynamic_axes={name: free for name in [INPUT, *names]},
            dynamo=False,
            # BatchNorm stays a node of its own, as it is in the module (evaluation): folded into the convolution, its
            # weights would be rounded to half precision once more. onnxruntime folds it when it loads the file.
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    stored = onnx.load(str(path))
    _halve(stored.graph)
    stored.metadata_props.add(key="model", value=RoSE.name)
    onnx.checker.check_model(stored)
    onnx.save(stored, str(path))
    return path


def export_folder(model: RoSE, path: Path) -> float | None:
    """Write the network, and beside it the settings that say what goes in and out; together they are a model.

    Args:
        model: As for `export_onnx`.
        path: The file of the network; beside it `rose.json` is written.

    Returns:
        The largest difference of its frames from torch's for one random photo; None if onnxruntime, which would tell
        it, is not installed.

    Raises:
        ModelError: As `export_onnx`, and if the folder has the settings of another model.
    """
    settings = path.parent / FILE_NAME
    content = json.dumps(model.settings.as_json(), indent=1) + "\n"
    if settings.is_file() and json.loads(settings.read_text(encoding="utf-8")) != json.loads(content):
        raise ModelError(f"{settings}: is of another model; choose another folder with -o")
    export_onnx(model, path)
    if not settings.is_file():
        settings.write_text(content, encoding="utf-8")
    if not is_installed("onnxruntime"):
        return None
    size = max(2 * model.multiple, model.settings.size)
    photo = np.random.default_rng(0).random((1, 3, size, size), np.float32)
    with torch.no_grad():
        expected = model.one_step(torch.from_numpy(photo).to(model.device)).frames.cpu().numpy()
    return float(np.abs(OnnxRoSE(model.settings, path).outputs(photo)["frames"] - expected).max())


def _halve(graph: "onnx.GraphProto") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Store large weights as half floats, each followed by a cast, which the runtime folds when it loads the file."""
    import onnx

    casts = []
    for weight in graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < LEAST_HALVED:
            continue
        name = weight.name
        half = onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half")
        weight.CopyFrom(half)
        casts.append(onnx.helper.make_node("Cast", [half.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
