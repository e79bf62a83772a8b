# SPDX-License-Identifier: Apache-2.0
"""A trained model is a method like any other: named, given the mask, one normal map a photograph."""

from pathlib import Path

from multishade.cli import main
from multishade.evaluation.methods.learned import model_method, paper_photographs
from multishade.evaluation.readers.shards import read
from tests.support.rose_samples import tiny_model
from tests.support.synthetic import make_sample, write_synthetic_shard
from tests.support.synthetic_benchmarks import write_diligent_object


def test_model_is_a_method_of_evaluation(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path / "model")
    write_synthetic_shard(tmp_path / "a.tar", [make_sample(size=24)])
    (target,) = read(tmp_path / "a.tar")
    made = list(model_method(tmp_path / "model")(target))
    assert [one.image for one in made] == ["image_parallel", "image_point", "image_env0", "image_env1"]
    assert all((one.normal[target.mask] != 0).any() for one in made)
    arguments = ["evaluate", f"rose:{tmp_path}/model", "--on", f"shards:{tmp_path}/a.tar", "--no-maps"]
    assert main([*arguments, "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "results.csv").read_text().count("image_") == 4


def test_a_model_gets_the_papers_photographs_of_large_sets(tmp_path: Path) -> None:
    from multishade.evaluation.readers import diligent

    write_diligent_object(tmp_path / "ballPNG", count=31)
    (target,) = diligent.read(tmp_path)
    assert [name for _, name in paper_photographs(target)] == [f"{n:03d}.png" for n in range(21, 31)]
    write_diligent_object(tmp_path / "small" / "ballPNG", count=5)
    (target,) = diligent.read(tmp_path / "small")
    assert len(paper_photographs(target)) == 5


def test_the_numbers_of_photographs_count_and_not_their_places() -> None:
    import numpy as np

    from multishade.evaluation.objects import BenchmarkObject

    def chosen(names: list[str]) -> list[str]:
        target = BenchmarkObject("a", "b", np.ones((2, 2), bool), tuple(names))
        return [name for _, name in paper_photographs(target)]

    paper = [f"{n:03d}.png" for n in range(21, 31)]
    assert chosen([f"{n:03d}.png" for n in range(1, 97)]) == paper
    assert chosen([f"{n:03d}.png" for n in range(21, 97)]) == paper  # bear, without its damaged images
    assert chosen([f"{n:02d}.png" for n in range(0, 52)]) == [f"{n:02d}.png" for n in range(20, 30)]  # from 0
    assert chosen([f"L{n:02d}" for n in range(40)]) == [f"L{n:02d}" for n in range(20, 30)]
    assert len(chosen([f"{n}.png" for n in range(1, 20)])) == 19
