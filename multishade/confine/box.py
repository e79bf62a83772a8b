# SPDX-License-Identifier: Apache-2.0
"""What a confined process may touch: files, folders, limits; and what an interpreter needs of them in any case."""

import dataclasses
import functools
import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Self

# Libraries and what the loader, the C library and Blender read of the machine; none of it holds secrets.
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/nix/store", "/opt/rocm")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/fonts", "/etc/OpenCL")
MACHINE = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm",
    "/proc/loadavg",
    "/sys",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
# Of graphics cards: their devices, and folders in which drivers keep compiled kernels.
GPU_DEVICES = ("nvidia*", "dri", "kfd")
GPU_CACHES = ("~/.nv", "~/.cache/cycles", "~/.cache/NVIDIA", "~/.cache/mesa_shader_cache", "~/.AMD")
LOADERS = ("/lib64/ld-*.so*", "/lib/ld-*.so*", "/lib/*/ld-*.so*")


@dataclasses.dataclass(frozen=True)
class Box:
    """The rights and limits of a confined process.

    Attributes:
        scratch: The one folder that it writes to; its temporary files go there.
        read: Files and folders that it reads, a folder with all below; what does not exist is passed over.
        names: Folders, with all below, whose names it may list without reading the files.
        run: Programs that it may start, with the scripts' interpreters if one is a script.
        gpu: Whether it renders on a graphics card, and so needs its devices and kernel caches.
        caches: Further folders that it writes to, whose content other processes use.
        address_bytes: Address space beyond what the process holds when it is confined; None: no limit.
        data_bytes: Memory that it may write to, in all; None: no limit.
        cpu_seconds: Processor time from its start on; None: no limit.
        open_files: Files open at once.
        file_bytes: Size of a file that it writes.
    """

    scratch: str
    read: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    gpu: bool = False
    caches: tuple[str, ...] = ()
    address_bytes: int | None = None
    data_bytes: int | None = None
    cpu_seconds: int | None = None
    open_files: int = 1024
    file_bytes: int = 16 << 30

    def reading(self, paths: Iterable[str | Path], names: Iterable[str | Path] = ()) -> Self:
        """Return the same box with more files and folders to read, and folders to list."""
        return dataclasses.replace(
            self,
            read=tuple(dict.fromkeys((*self.read, *map(str, paths)))),
            names=tuple(dict.fromkeys((*self.names, *map(str, names)))),
        )


def with_python(box: Box) -> Box:
    """Return the same box with what this interpreter, its packages and the code on its path need to be read."""
    read, names = code_on_path(tuple(sys.path))
    return box.reading((*SYSTEM, *SYSTEM_FILES, *MACHINE, *read), names)


@functools.lru_cache(maxsize=4)
def code_on_path(path: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the code that imports may need.

    Args:
        path: Entries of `sys.path`. Folders of an installation are read whole. Any other, such as a checkout, may hold
            data beside code: of these only packages and modules are read.

    Returns:
        (files and folders to read, folders to list).
    """
    installed = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()]
    installed += [*site.getsitepackages(), site.getusersitepackages()]
    read = {folder for folder in installed if os.path.isdir(folder)}
    read |= {os.path.realpath(sys.executable), os.path.dirname(os.path.realpath(sys.executable))}
    names = set()
    for entry in path:
        place = os.path.abspath(entry)
        if os.path.isfile(place):
            read.add(place)
        elif os.path.isdir(place) and not any(_is_below(place, folder) for folder in read):
            names.add(place)
            read |= _packages_in(place)
    for folder in filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)):
        read.add(os.path.abspath(folder))
    return tuple(sorted(read)), tuple(sorted(names))


def _packages_in(folder: str) -> set[str]:
    """The packages and modules directly in a folder; none if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return {
                entry.path
                for entry in entries
                if entry.name.endswith((".py", ".so", ".pth"))
                or entry.name.endswith((".dist-info", ".egg-info"))
                or os.path.isfile(os.path.join(entry.path, "__init__.py"))
            }
    except OSError:
        return set()


def _is_below(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip(os.sep) + os.sep)
