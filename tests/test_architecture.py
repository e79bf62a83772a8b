# SPDX-License-Identifier: Apache-2.0
"""The structure that the layers in pyproject.toml do not express: no cycles, a light root, seams to Blender."""

import subprocess
import sys

from tests.support.imports import cycles, import_graph, imports_of, modules

# Modules that Blender's own Python brings; blender_scripts runs in it and has nothing else.
BLENDER = {"bpy", "bmesh", "mathutils", "numpy", "pxr", "io_scene_gltf2"}  # what comes with it
# The one script that runs in BlenderProc's Blender, for benchmarks.
BENCHMARK_PEERS = {"blender_scripts.peers.blenderproc_render": {"blenderproc"}}


def test_two_modules_that_import_each_other_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert cycles(graph) == [["b", "c"]]


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert cycles(import_graph("multishade", "blender_scripts")) == []


def test_the_protocol_needs_the_standard_library_only() -> None:
    foreign = [
        found
        for module, path in modules("multishade").items()
        if module.startswith("multishade.protocol") or module == "multishade"
        for found in imports_of(module, path)
        if found.target.split(".")[0] not in sys.stdlib_module_names
        and not found.target.startswith(("multishade.protocol", "multishade.version"))
    ]
    assert foreign == []


def test_only_blender_scripts_imports_blender() -> None:
    importers = {
        found.importer
        for module, path in modules("multishade", "benchmarks").items()
        for found in imports_of(module, path)
        if found.target.split(".")[0] in BLENDER - {"numpy"}
    }
    assert importers == set()


def test_blender_scripts_needs_only_blender_and_the_protocol() -> None:
    foreign = [
        found
        for module, path in modules("blender_scripts").items()
        for found in imports_of(module, path)
        if not found.target.startswith(("blender_scripts.", "multishade.protocol."))
        and found.target.split(".")[0]
        not in sys.stdlib_module_names | BLENDER | BENCHMARK_PEERS.get(module, set())
    ]
    assert foreign == []


def test_modules_import_from_each_other_and_not_from_the_public_names() -> None:
    importers = {module for module, targets in import_graph("multishade").items() if "multishade" in targets}
    assert importers == set()


def test_importing_multishade_loads_no_heavy_package() -> None:
    heavy = ("torch", "bpy", "ray", "numpy", "scipy", "pydantic")
    code = f"import sys, multishade; print([name for name in {heavy!r} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
