# SPDX-License-Identifier: Apache-2.0
"""`OnnxRoSE`: a one-step RoSE whose network onnxruntime runs, without torch and diffusers; arrays in and out."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ModelError
from multishade.extras import require
from multishade.models.base import Inputs, Prediction
from multishade.models.hub import read_json
from multishade.models.rose.settings import FILE_NAME, RoseSettings
from multishade.models.rose.solve import DEFAULT_SOLVER, solve_batch
from multishade.threads import current

Float32 = NDArray[np.float32]
NETWORK, INPUT = "model.onnx", "photo"


class OnnxRoSE:
    """A model that is ready to run on the CPU. `predict` takes and returns arrays in place of tensors.

    Attributes:
        settings: What it was trained to do.
        version: Of onnxruntime.
    """

    name: ClassVar[str] = "rose"
    arrays: ClassVar[bool] = True

    def __init__(self, settings: RoseSettings, network: Path, threads: int | None = None) -> None:
        require("onnxruntime", extra="infer")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or current()
        options.log_severity_level = 4  # errors are raised, so that it need not print them, too
        try:
            self._session = onnxruntime.InferenceSession(
                str(network), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no common base
            raise ModelError(f"{network}: onnxruntime cannot load it ({error})") from error
        self.settings = settings
        self.version: str = onnxruntime.__version__
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._network = network
        expected = ["frames", *settings.heads]
        if [one.name for one in self._session.get_inputs()] != [INPUT] or self._outputs != expected:
            raise ModelError(
                f"{network}: makes {', '.join(self._outputs)}, but its {FILE_NAME} states {', '.join(expected)}, of "
                f"the input {INPUT}; export the model again"
            )

    @classmethod
    def from_pretrained(cls, folder: str | Path, threads: int | None = None) -> "OnnxRoSE":
        """Load rose.json and model.onnx of a folder.

        Args:
            folder: What `multishade.models.rose.export` and training wrote.
            threads: Of the network; None: as the command limits them (`multishade.threads`).

        Raises:
            ModelError: If a file is missing or damaged.
            MissingPackageError: If onnxruntime is not installed.
        """
        network = Path(folder) / NETWORK
        content = read_json(folder, FILE_NAME)
        if content is None or not network.is_file():
            raise ModelError(f"{folder}: no {FILE_NAME} and {NETWORK} in it; export the model first")
        return cls(RoseSettings.from_json(content, f"{folder}/{FILE_NAME}"), network, threads)

    def outputs(self, images: Float32) -> dict[str, Float32]:
        """Run the network.

        Args:
            images: (B, 1 or 3, H, W), display-encoded, 0 to 1; H and W as the network takes them.

        Returns:
            frames (B, K, H, W) or (B, 3, H, W), and coverage and error (B, 1, H, W) of a model with these heads.

        Raises:
            ModelError: If the network does not take images of this size, is of other settings than rose.json, or makes
                values that are not finite.
        """
        batch, _, height, width = images.shape
        photo = np.ascontiguousarray(np.broadcast_to(images, (batch, 3, height, width)), np.float32)
        try:
            made = self._session.run(None, {INPUT: photo})
        except Exception as error:  # onnxruntime's errors have no common base
            raise ModelError(
                f"{self._network}: onnxruntime cannot run it on {width} x {height} pixels; does the {FILE_NAME} beside "
                f"it belong to it? ({error})"
            ) from error
        found = dict(zip(self._outputs, made, strict=True))
        frames = self.settings.lights if self.settings.target == "shading" else 3
        if found["frames"].shape != (batch, frames, height, width):
            raise ModelError(
                f"{self._network}: makes frames of shape {found['frames'].shape}, but its {FILE_NAME} states "
                f"{frames} of {width} x {height} pixels; export the model again"
            )
        for name, values in found.items():
            if not np.isfinite(values).all():
                raise ModelError(
                    f"{self._network}: its output {name} is not finite: damaged weights; export the model again"
                )
        return found

    def averaged(self, images: Float32) -> dict[str, Float32]:
        """`outputs`, averaged with those of the mirrored images if the model's settings say so."""
        first = self.outputs(images)
        if not self.settings.sampling.mirror:
            return first
        second = {
            name: value[..., ::-1]
            for name, value in self.outputs(np.ascontiguousarray(images[..., ::-1])).items()
        }
        if self.settings.target == "shading":
            second["frames"] = second["frames"][:, self.settings.mirrored_frames]
        else:
            second["frames"] = second["frames"] * np.array([-1, 1, 1], np.float32)[:, None, None]
        averaged = {"frames": (first["frames"] + second["frames"]) / 2}
        # By logits and logarithms, as `RoSE` has them.
        if "coverage" in first:
            averaged["coverage"] = _sigmoid((_logit(first["coverage"]) + _logit(second["coverage"])) / 2)
        if "error" in first:
            averaged["error"] = np.sqrt(first["error"] * second["error"])
        return averaged

    def predict(self, inputs: Inputs, *, seed: int = 0, solver: str = DEFAULT_SOLVER) -> Prediction:
        """Predict shading and solve it for normals, as `RoSE.predict`, with arrays in place of tensors.

        Args:
            inputs: `image` (B, 1 or 3, H, W) and optionally `mask` (B, 1, H, W), float32 arrays.
            seed: Not used; there is no noise.
            solver: Of `multishade.photometry.solvers.methods`.

        Raises:
            ModelError: If the image is missing.
            SolveError: If the solver is unknown.
        """
        image: Any = inputs.image
        if image is None:
            raise ModelError("this model needs the input 'image', which is missing")
        found = self.averaged(image)
        frames, coverage = found["frames"], found.get("coverage")
        mask: Any = inputs.mask
        masks = None if mask is None else mask[:, 0] > 0.5
        normal, confidence, masks = solve_batch(
            self.settings, frames, masks, solver, coverage, found.get("error")
        )
        parts: dict[str, Any] = {
            "normal": normal,
            "confidence": confidence,
            "mask": masks,
            "shading": frames if self.settings.target == "shading" else None,
            "coverage": coverage,
        }
        return Prediction(**parts)


def _logit(probability: Float32) -> Float32:
    inside = np.clip(probability, 1e-7, 1 - 1e-7).astype(np.float32)
    return np.log(inside / (1 - inside))


def _sigmoid(value: Float32) -> Float32:
    return (1 / (1 + np.exp(-value))).astype(np.float32)
