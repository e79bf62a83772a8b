# SPDX-License-Identifier: Apache-2.0
"""The errors that a user can cause or repair. Every other exception is a bug and keeps its traceback."""


class MultiShadeError(Exception):
    """Base of the errors that a user can act on. The message names the object, the place and the remedy."""


class ConfigError(MultiShadeError):
    """A configuration file or an override is wrong."""


class ManifestError(MultiShadeError):
    """A manifest row is wrong, or a manifest is missing."""


class AssetError(MultiShadeError):
    """A mesh, material or environment file cannot be used."""


class ObjectUnseen(AssetError):
    """No pixel's centre hits the object."""


class ImageFileError(MultiShadeError):
    """An image file (PNG, EXR) cannot be read or written."""


class OutputError(MultiShadeError):
    """The output of a command cannot be written where it was asked for."""


class BlenderError(MultiShadeError):
    """The Blender process failed; `output` contains the last lines that it printed, `signal` what ended it, if any."""

    def __init__(self, message: str, output: tuple[str, ...] = (), signal: str = "") -> None:
        super().__init__(message)
        self.output, self.signal = output, signal


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


class StorageError(ShardError):
    """The storage refuses whatever is written: it is full, read-only, or gone. Other shards would end the same way."""


class HostUnreachable(ShardError):
    """A server has not answered at all: there is no network, or its name is wrong."""


class FileMissing(ShardError):
    """A file of a data set does not exist."""


class DataError(MultiShadeError):
    """A data set does not fit its use: change the shards, or the settings that read them."""


class HubError(MultiShadeError):
    """A repository of a hub cannot be reached, read or written."""


class SolveError(MultiShadeError):
    """Photometric input (images, lights, mask) is invalid or does not determine the result."""


class EvaluationError(MultiShadeError):
    """A benchmark folder, prediction or result table cannot be used."""


class ModelError(MultiShadeError):
    """A model folder or checkpoint cannot be used, or does not fit its use."""


class TrainingError(MultiShadeError):
    """A training run cannot start, continue or be resumed."""
