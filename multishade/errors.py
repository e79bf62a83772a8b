# SPDX-License-Identifier: Apache-2.0
"""The errors a user can cause or mend; everything else is a bug and keeps its traceback."""


class MultiShadeError(Exception):
    """Something a person can act on. The message names the thing, the place and the remedy."""


class ConfigError(MultiShadeError):
    """A configuration file or an override is wrong."""


class ManifestError(MultiShadeError):
    """A manifest row is wrong, or a manifest is missing."""


class AssetError(MultiShadeError):
    """A mesh, material or environment file cannot be used."""


class ImageFileError(MultiShadeError):
    """An image file (PNG, EXR) cannot be read or written."""


class BlenderError(MultiShadeError):
    """The Blender process failed; `output` holds the last lines it printed."""

    def __init__(self, message: str, output: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.output = output


class BlenderCrashed(BlenderError):
    """The Blender process ended, or could not be started."""


class BlenderMemoryExceeded(BlenderCrashed):
    """The Blender process outgrew its memory limit and was ended."""


class BlenderTimeout(BlenderError):
    """The Blender process did not answer a request before its deadline."""


class RenderDeviceMissing(BlenderError):
    """Cycles does not find the render device that the configuration names."""


class RenderFailed(BlenderError):
    """A request failed inside Blender; the state of the process is unknown afterwards, so it is replaced."""


class ShardError(MultiShadeError):
    """A shard cannot be written or read, or belongs to another data set."""


class FileMissing(ShardError):
    """A file of a data set is not there."""


class DataError(MultiShadeError):
    """A data set cannot serve for what is asked of it: the shards, or the settings that read them, must change."""


class SolveError(MultiShadeError):
    """Photometric input (images, lights, mask) does not determine what was asked."""


class EvaluationError(MultiShadeError):
    """A benchmark folder, prediction or result table cannot be used."""


class ModelError(MultiShadeError):
    """A model folder or checkpoint cannot be used, or does not fit what is asked of it."""


class TrainingError(MultiShadeError):
    """A training run cannot start, go on or be resumed."""
