# SPDX-License-Identifier: Apache-2.0
"""The server of `multishade studio`: from a photo or a set to files, its queue, its limits, and what it refuses."""

import io
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from multishade.cli import main
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import codecs
from multishade.imaging.normal_maps import read_normal_map
from multishade.inference.results import Results, results_of_prediction
from multishade.inference.write import write_results
from multishade.studio.item import Item
from multishade.studio.server import application
from multishade.studio.studio import Studio
from multishade.studio.uploads import Limits, UploadRefused, safe_name
from multishade.studio.work import Maker
from tests.support.spheres import sphere_prediction
from tests.support.synthetic_benchmarks import write_diligent_object

OWN = {"X-MultiShade-Studio": "1"}


class BallMaker(Maker):
    """Finds a ball in every photo, or what is painted; waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()
        self.made: list[str] = []

    def _predicted(self, item: Item) -> Results:
        from dataclasses import replace

        self.made.append(item.name)
        assert self.free.wait(300)
        found = sphere_prediction()
        if item.painted.is_file():
            mask = found.mask & (codecs.read_png(item.painted) > 127)
            found = replace(found, mask=mask, normal=np.where(mask[..., None], found.normal, 0))
        return results_of_prediction(found, "poisson")


def photo(shape: tuple[int, int] = (90, 120), kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((*shape, 3), 120, np.uint8)).save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def maker() -> BallMaker:
    return BallMaker()


@pytest.fixture
def studio(maker: BallMaker) -> Iterator[Studio]:
    found = Studio(maker, Limits(megabytes=0.2, set_files=20, waiting=3, kept=4))
    yield found
    maker.free.set()
    found.stop()


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    with TestClient(application(studio), base_url="http://127.0.0.1", headers=OWN) as running:
        yield running


def told(client: TestClient, key: str) -> dict[str, Any]:
    items = client.get("/api/items").json()["items"]
    return next(item for item in items if item["id"] == key)


def finished(client: TestClient, key: str) -> dict[str, Any]:
    end = time.monotonic() + 300
    while (found := told(client, key))["state"] not in ("done", "failed"):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


def send(client: TestClient, name: str = "a.png", data: bytes | None = None) -> Any:
    return client.post("/api/items", params={"name": name}, content=photo() if data is None else data)


def test_a_photo_becomes_the_files_of_the_one_writer(client: TestClient, tmp_path: Path) -> None:
    key = send(client, "my <b>photo</b>.png").json()["id"]
    found = finished(client, key)
    assert (found["state"], found["name"]) == ("done", "my <b>photo</b>.png")
    expected = write_results(tmp_path, results_of_prediction(sphere_prediction(), "poisson"))
    assert {file["name"] for file in found["files"]} == {path.name for path in expected}
    for file in found["files"]:
        answer = client.get(f"/api/items/{key}/files/{file['name']}")
        assert len(answer.content) == file["bytes"] and file["what"]
        assert answer.headers["content-disposition"].startswith("attachment")
        if file["name"] not in ("record.json", "conventions.json"):
            assert answer.content == (tmp_path / file["name"]).read_bytes()
    answer = client.get(f"/api/items/{key}/files.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {Path(name).name for name in archive.namelist()} == {path.name for path in expected}
        assert all(not Path(name).is_absolute() and ".." not in name for name in archive.namelist())
        assert archive.testzip() is None


def test_the_page_gets_object_picture_and_mask(client: TestClient) -> None:
    key = send(client).json()["id"]
    finished(client, key)
    shown = client.get(f"/api/items/{key}/shown/object.json").json()
    assert {"photo", "normals", "surface"} <= shown.keys()
    mask = Image.open(io.BytesIO(client.get(f"/api/items/{key}/shown/mask.png").content))
    picture = Image.open(io.BytesIO(client.get(f"/api/items/{key}/shown/picture.jpg").content))
    assert mask.size == picture.size == (120, 90)
    assert np.array_equal(np.asarray(mask) > 127, sphere_prediction().mask)
    assert client.get(f"/api/items/{key}/shown/whole.png").status_code == 404


def test_a_painted_mask_makes_the_results_again(client: TestClient, studio: Studio) -> None:
    key = send(client).json()["id"]
    finished(client, key)
    painted = sphere_prediction().mask.copy()
    painted[:, 60:] = False
    stream = io.BytesIO()
    Image.fromarray(np.where(painted, np.uint8(255), np.uint8(0))).save(stream, "PNG")
    assert client.put(f"/api/items/{key}/mask", content=stream.getvalue()).status_code == 200
    found = finished(client, key)
    assert found["version"] == 2 and found["painted"]
    written = codecs.read_png(studio.result(key, "mask.png")) > 127
    assert np.array_equal(written, painted)
    client.delete(f"/api/items/{key}/mask")
    assert not finished(client, key)["painted"]
    assert np.array_equal(codecs.read_png(studio.result(key, "mask.png")) > 127, sphere_prediction().mask)


def test_a_large_photo_keeps_its_edges_where_nothing_is_painted(tmp_path: Path) -> None:
    from multishade.studio.work import _resized, paint

    item = Item("a", "photo", "a", tmp_path, version=1)
    item.shown.mkdir()
    row, column = np.mgrid[:1600, :2560]
    whole = np.hypot(column - 1000, row - 800) < 700
    seen = _resized(whole, (1280, 800))
    codecs.write_png(item.shown / "whole.png", np.where(whole, np.uint8(255), np.uint8(0)))
    codecs.write_png(item.shown / "mask.png", np.where(seen, np.uint8(255), np.uint8(0)))
    painted = seen.copy()
    painted[:, 1000:] = True
    paint(item, painted)
    mask = codecs.read_png(item.painted) > 127
    assert np.array_equal(mask[:, :1990], whole[:, :1990])
    assert mask[:, 2010:].all()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"no picture", "no PNG"),
        (photo((90, 120), "PNG").replace(b"IHDR", b"IHDX"), "no PNG"),
        (photo((45, 60)), "the picture has 120 x 90"),
    ],
)
def test_masks_that_are_none_are_refused(client: TestClient, body: bytes, message: str) -> None:
    key = send(client).json()["id"]
    finished(client, key)
    answer = client.put(f"/api/items/{key}/mask", content=body)
    assert answer.status_code == 400 and message in answer.json()["error"]
    black = io.BytesIO()
    Image.new("L", (120, 90)).save(black, "PNG")
    answer = client.put(f"/api/items/{key}/mask", content=black.getvalue())
    assert answer.status_code == 400 and "empty" in answer.json()["error"]
    assert finished(client, key)["version"] == 1


def test_requests_queue_behind_one_worker(client: TestClient, maker: BallMaker) -> None:
    maker.free.clear()
    keys = [send(client, f"{number}.png").json()["id"] for number in range(4)]
    end = time.monotonic() + 300
    while not maker.made:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert [told(client, key)["before"] for key in keys] == [None, 1, 2, 3]
    assert [told(client, key)["state"] for key in keys] == ["working", *["waiting"] * 3]
    answer = send(client, "5.png")
    assert answer.status_code == 503 and "3 are waiting" in answer.json()["error"]
    client.delete(f"/api/items/{keys[1]}")
    assert [told(client, key)["before"] for key in keys[2:]] == [1, 2]
    maker.free.set()
    for key in (keys[0], *keys[2:]):
        assert finished(client, key)["state"] == "done"
    assert maker.made == ["0.png", "2.png", "3.png"]


def test_what_is_removed_while_it_is_made_stops_nothing(client: TestClient, maker: BallMaker) -> None:
    maker.free.clear()
    first, second = (send(client, f"{number}.png").json()["id"] for number in range(2))
    while not maker.made:
        time.sleep(0.01)
    client.delete(f"/api/items/{first}")
    maker.free.set()
    assert finished(client, second)["state"] == "done"


def test_the_oldest_that_is_done_makes_room(client: TestClient, studio: Studio) -> None:
    keys = []
    for number in range(5):
        keys.append(send(client, f"{number}.png").json()["id"])
        finished(client, keys[-1])
    assert list(studio.items) == keys[1:]
    assert len(list(studio._folder.iterdir())) == 4


@pytest.mark.parametrize(
    ("name", "data", "status", "message"),
    [
        ("notes.txt", b"text", 415, "is no picture; send a JPEG"),
        ("shell.html", b"<script>", 415, "is no picture"),
        ("photo.psd", b"8BPS", 415, "convert it to PNG, JPEG or TIFF"),
        ("noise", b"x", 415, "a file without a suffix"),
        ("a.png", b"", 400, "is empty"),
        ("a.png", b"x" * 200_001, 413, "more than 0.2 megabytes"),
        ("..", b"x", 400, "is no name of a file"),
    ],
)
def test_what_is_no_photo_is_refused(
    client: TestClient, studio: Studio, name: str, data: bytes, status: int, message: str
) -> None:
    answer = send(client, name, data)
    assert answer.status_code == status and message in answer.json()["error"]
    assert not studio.items and not list(studio._folder.iterdir())


def test_a_stream_without_a_length_is_cut_at_the_limit(client: TestClient, studio: Studio) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b"x" * 10_000

    answer = client.post("/api/items", params={"name": "a.png"}, content=endless())
    assert answer.status_code == 413 and not studio.items


def test_only_its_own_page_changes_something(client: TestClient, studio: Studio) -> None:
    foreign = TestClient(client.app, base_url="http://127.0.0.1")
    assert send(foreign).status_code == 403 and not studio.items
    rebound = TestClient(client.app, base_url="http://evil.example", headers=OWN)
    assert rebound.get("/api/items").status_code == 400
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy


def test_unknown_names_and_items_are_not_there(client: TestClient) -> None:
    key = send(client).json()["id"]
    finished(client, key)
    for path in (f"/api/items/{key}/files/..%2F..%2Fetc%2Fpasswd", f"/api/items/{key}/files/painted.png"):
        assert client.get(path).status_code == 404
    assert client.get("/api/items/nothing/files.zip").status_code == 404
    assert client.delete("/api/items/nothing").status_code == 404
    assert client.get("/../server.py").status_code == 404


def send_set(client: TestClient, folder: Path, skip: tuple[str, ...] = (), **options: Any) -> str:
    key = str(client.post("/api/items", params={"kind": "set", "name": "a set"}).json()["id"])
    for path in sorted(folder.iterdir()):
        if path.name not in skip:
            answer = client.put(
                f"/api/items/{key}/source", params={"name": path.name}, content=path.read_bytes()
            )
            assert answer.status_code == 200, answer.text
    answer = client.post(f"/api/items/{key}/solve", json={"ball": None, "srgb": False, **options})
    assert answer.status_code == 200, answer.text
    return key


def test_a_set_with_lights_is_solved(client: TestClient, studio: Studio, tmp_path: Path) -> None:
    written = write_diligent_object(tmp_path / "ball")
    key = send_set(client, tmp_path / "ball")
    found = finished(client, key)
    assert found["state"] == "done" and found["colours"] == "Albedo", found["error"]
    normal = read_normal_map(studio.result(key, "normal.exr"))
    assert angular_error_degrees(normal, written.normal)[written.mask].max() < 0.1
    assert {"albedo.exr", "shading.gif"} <= {file["name"] for file in found["files"]}


def test_a_set_without_lights_says_what_to_send(client: TestClient, tmp_path: Path) -> None:
    write_diligent_object(tmp_path / "ball")
    key = send_set(client, tmp_path / "ball", skip=("light_directions.txt", "light_intensities.txt"))
    found = finished(client, key)
    assert found["state"] == "failed" and "light_directions.txt or a .lp file" in found["error"]


def test_a_set_beside_a_ball_is_solved(client: TestClient, studio: Studio, tmp_path: Path) -> None:
    from tests.cli.test_solve_lights import BALL, SHAPE, scene, write

    images, normal, mask = scene()
    folder = write(tmp_path / "a", images, mask, None)
    codecs.write_png(folder / "ball_mask.png", np.where(BALL.inside(SHAPE), 255, 0).astype(np.uint8))
    key = send_set(client, folder, ball="matte")
    found = finished(client, key)
    assert found["state"] == "done", found["error"]
    assert any("matt" in note for note in found["notes"])
    error = angular_error_degrees(read_normal_map(studio.result(key, "normal.exr")), normal)[mask]
    assert np.nanmean(error) < 0.8


def test_files_that_a_set_cannot_have_are_refused(client: TestClient, tmp_path: Path) -> None:
    key = client.post("/api/items", params={"kind": "set", "name": "s"}).json()["id"]

    def put(name: str) -> Any:
        return client.put(f"/api/items/{key}/source", params={"name": name}, content=photo())

    assert client.post(f"/api/items/{key}/solve", json={}).status_code == 409
    assert put("a.png").status_code == 200
    assert put("../x/a.png").status_code == 409  # its name, without folders, is taken
    assert put("run.exe").status_code == 415
    for number in range(19):
        assert put(f"{number}.png").status_code == 200
    answer = put("one more.png")
    assert answer.status_code == 413 and "at most 20 files" in answer.json()["error"]
    assert client.post(f"/api/items/{key}/solve", json={"ball": "gold"}).status_code == 400
    assert client.post(f"/api/items/{key}/solve", content=b"[1]").status_code == 400


def test_a_damaged_photo_is_named_without_the_servers_folders(tmp_path: Path) -> None:
    studio = Studio(Maker())
    with TestClient(application(studio), base_url="http://127.0.0.1", headers=OWN) as client:
        key = send(client, "holiday.jpg", photo(kind="JPEG")[:400]).json()["id"]
        found = finished(client, key)
    assert found["state"] == "failed"
    assert found["error"].startswith("holiday.jpg: ")
    assert str(studio._folder) not in found["error"]
    assert not studio._folder.exists()  # nothing is left when it ends


@pytest.mark.parametrize("option", ["--max-megabytes", "--max-megapixels"])
@pytest.mark.parametrize("value", ["0", "nan", "-1"])
def test_limits_that_are_none_are_refused(
    capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert main(["studio", option, value]) == 2
    assert f"{option} {value}: expected a positive number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/photo.jpg", "photo.jpg"),
        ("C:\\Users\\me\\photo.jpg", "photo.jpg"),
        (".hidden.png", "hidden.png"),
        ("a\0b\n.png", "ab.png"),
        ("é" * 200 + ".png", "é" * 58 + ".png"),
        ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
    ],
)
def test_names_become_names_of_files(given: str, expected: str) -> None:
    assert safe_name(given) == expected
    assert len(safe_name(given).encode()) <= 120


@pytest.mark.parametrize("given", ["", ".", "..", "/", "\0"])
def test_what_is_no_name_is_refused(given: str) -> None:
    with pytest.raises(UploadRefused) as refused:
        safe_name(given)
    assert refused.value.status == 400
