# SPDX-License-Identifier: Apache-2.0
"""Requests and answers: what is encoded is decoded to the same message; what does not fit is refused and named."""

import json
import subprocess
import sys

import pytest

from multishade.protocol import messages
from multishade.protocol.codec import ProtocolError
from multishade.protocol.scene import Camera, Group, Light, ObjectSource, RenderSettings, Sequence, View

IDENTITY = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.1), (0.0, 0.0, 0.0, 1.0))
SUN = Light("image_parallel", "parallel", direction=(0.1, 0.2, 0.97), strength=1 / 3)
SKY = Light("shading", "environment", environment="studio:forest.exr", environment_strength=1.0)
VIEW = View(
    "s000000-g0000-v0",
    7,
    Camera("perspective", 64, 48, IDENTITY),
    (SUN, SKY),
    Sequence("photometric", ((0.0, 0.0, 1.0),), ambient=SKY),
    basis=(SUN,),
)
GROUP = Group(
    "s000000-g0000",
    ObjectSource("file", "/a.glb"),
    {"source": "builtin", "parameters": {"a": [1, 0.1]}},
    (VIEW,),
)
SETTINGS = RenderSettings(
    device="cpu",
    threads=1,
    samples={"parallel": 4},
    denoise=True,
    denoise_quality="high",
    denoise_prefilter="none",
    denoise_guides="albedo",
    max_bounces=4,
    diffuse_bounces=2,
    glossy_bounces=3,
    transmission_bounces=4,
    clamp_indirect=0.0,
    filter_width=1.5,
    light_tree=False,
    crop=True,
)
SHOT = messages.Shot("/dev/shm/render.exr", (1, 2, 30, 40), 2**31 - 1, exposure=0.25, pilot=True, samples=8)
REQUESTS = [
    messages.Handshake("cpu", (0, 1)),
    messages.Handshake("optix"),
    messages.Load(GROUP, SETTINGS),
    messages.Geometry("v", "/a.exr"),
    messages.Cast("v", 3, "/a.exr"),
    messages.Image("v", 0, SHOT),
    messages.Photometric("v", 1, SHOT),
    messages.Basis("v", 2, messages.Shot("/a.exr", None, 5)),
    messages.Combined("v", (SUN, SUN), SHOT),
    messages.Save("v", 0, "/a.blend"),
    messages.Geometry("v", "/a.exr", messages.Subpixels(4, (1, 2, 3, 4))),
]
ANSWERS = [
    messages.RendererInfo("5.0.1", "CPU", "/studio"),
    messages.Loaded(0.5, 0.25, 8, 12),
    messages.Rendered(1.5),
    messages.Saved(),
    messages.Failed("asset", "a.glb: holds no faces"),
    messages.Failed("error", "KeyError: 'v'", ("Traceback", "  line")),
]


@pytest.mark.parametrize("message", REQUESTS, ids=messages.name_of)
def test_a_request_survives_the_pipe(message: messages.Request) -> None:
    line = messages.encode(message)
    assert "\n" not in line
    assert messages.decode_request(line) == message


@pytest.mark.parametrize("message", ANSWERS, ids=messages.name_of)
def test_an_answer_survives_the_pipe(message: messages.Answer) -> None:
    assert messages.decode_answer(messages.encode(message)) == message


def test_every_request_has_the_type_of_its_answer() -> None:
    types = {messages.name_of(request): messages.answer_type(request) for request in REQUESTS}
    assert types["handshake"] is messages.RendererInfo and types["load"] is messages.Loaded
    assert types["save"] is messages.Saved
    pictures = ("geometry", "cast", "image", "photometric", "basis", "combined")
    assert {types[name] for name in pictures} == {messages.Rendered}


def changed(message: messages.Request, **fields: object) -> str:
    return json.dumps({**json.loads(messages.encode(message)), **fields})


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"message": "polish"}', "unknown request 'polish'; known are handshake, load, geometry, "),
        ('{"message": "rendered", "seconds": 1}', "unknown request 'rendered'"),  # an answer is no request
        ('{"view": "v"}', "unknown request None"),
        ("[1]", "unknown request None"),
        ("{", "is not JSON"),
        ('{"message": "geometry", "view": "v"}', "geometry: field 'path' is missing"),
        (
            changed(REQUESTS[3], box=[1]),
            "geometry: unknown field 'box'; the fields of Geometry are view, path, subpixels",
        ),
        (changed(REQUESTS[3], view=3), "geometry.view: 3 is not of type str"),
        (changed(REQUESTS[4], number=1.5), "cast.number: 1.5 is not of type int"),
        (changed(REQUESTS[4], number=True), "cast.number: True is not of type int"),
        (changed(REQUESTS[5], shot={"path": "a"}), "image.shot: field 'box' is missing"),
        (
            changed(REQUESTS[5], shot={"path": "a", "box": [1, 2], "seed": 1}),
            "image.shot.box: has 2 values, not 4",
        ),
        (
            changed(REQUESTS[8], lights=[{"field": "a", "kind": "laser"}]),
            r"combined.lights\[0\].kind: 'laser' is not one of 'parallel', 'point'",
        ),
        (changed(REQUESTS[8], lights={}), "combined.lights: {} is not a list"),
        (changed(REQUESTS[2], group=None), "load.group: None is not an object with the fields of Group"),
    ],
)
def test_what_does_not_fit_is_named(line: str, error: str) -> None:
    with pytest.raises(ProtocolError, match=error):
        messages.decode_request(line)


def test_an_unknown_answer_is_named() -> None:
    with pytest.raises(
        ProtocolError, match="unknown answer 'done'; known are rendererinfo, loaded, rendered"
    ):
        messages.decode_answer('{"message": "done"}')


def test_the_protocol_imports_the_standard_library_only() -> None:
    """Blender's Python imports it, and has none of our dependencies."""
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import multishade.protocol.messages, multishade.protocol.scene\n"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(loaded - set(sys.stdlib_module_names) - {'multishade'}))\n"
    )
    command = [sys.executable, "-S", "-c", script]  # without the folder of installed packages
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
