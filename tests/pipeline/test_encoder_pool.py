"""No build asks Ray for an encoder that its GPUs cannot hold: it would wait for it without end."""

import os
from pathlib import Path

import pytest

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.pipeline.encoder_pool import encoders_on, size_pool
from medcutmix_pipeline.schemas.config import AttentionConfig, EngineConfig
from tests.builds import digests, run_build, run_cli
from tests.pipeline import fitted_once, manifests
from tests.test_cli import one_line

REPOSITORY = Path(__file__).resolve().parents[2]


def pool(gpus_of_nodes, device="auto", workers=8, **settings):
    return size_pool(EngineConfig(**settings), AttentionConfig(device=device), workers, gpus_of_nodes)


@pytest.mark.parametrize(
    ("gpus_of_nodes", "each", "encoders"),
    [
        ([1], 1, 1),
        ([0, 4, 2], 1, 6),
        ([1], 0.5, 2),
        ([2], 0.4, 4),  # the fifth would need shares of two GPUs
        ([1], 0.1, 10),
        ([1], 1 / 3, 3),
        ([3, 1], 2, 1),  # what is left on two nodes is no place for one
        ([1, 1], 2, 0),
    ],
)
def test_shares_are_of_one_gpu_and_whole_gpus_of_one_node(gpus_of_nodes, each, encoders):
    assert encoders_on(gpus_of_nodes, each) == encoders


def test_there_are_as_many_encoders_as_fit_unless_fewer_are_asked_for():
    assert (pool([2, 2]).encoders, pool([2, 2]).gpus) == (4, 1)
    assert pool([2, 2], encoders=3).encoders == 3
    assert pool([0], encoders=3).encoders == pool([4], device="cpu", encoders=3).encoders == 3
    assert (pool([0]).encoders, pool([0]).gpus) == (4, 0)


def test_more_encoders_than_fit_are_cut_and_that_is_told():
    cut = pool([1], encoders=2)
    assert cut.encoders == 1
    assert cut.told == "1 of engine.encoders=2, because the GPUs hold no more"
    assert pool([1], encoders=2, gpus_per_encoder=0.5).told == "2"


def test_an_encoder_that_fits_on_no_node_is_a_mistake():
    with pytest.raises(UsageError, match=r"gpus_per_encoder=2, but the most GPUs that a node of Ray has are 1"):
        pool([1, 1], gpus_per_encoder=2)
    with pytest.raises(UsageError, match="Ray has no GPU"):
        pool([0], device="cuda")


def test_a_certain_gpu_is_asked_for_before_the_command_as_an_encoder_on_ray_sees_its_own_alone():
    with pytest.raises(UsageError, match=r"set attention.device=cuda, and CUDA_VISIBLE_DEVICES=1 before the command"):
        pool([2], device="cuda:1")
    assert pool([2], device="cuda:0").encoders == 2
    assert pool([2], device="cuda:1", gpus_per_encoder=2).encoders == 1


@pytest.mark.parametrize("gpus", ["1.5", ".inf", ".nan", "0.00001"])
def test_gpus_that_ray_cannot_give_are_a_mistake_before_anything_is_done(tmp_path, gpus):
    call = ("--source", "phantom", "--root", tmp_path, "--out", tmp_path / "out")
    result = run_cli("build", *call, "--set", f"engine.gpus_per_encoder={gpus}")
    one_line(result, 2, "engine.gpus_per_encoder")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow  # a Ray of its own
def test_a_build_that_asks_for_more_encoders_than_there_are_gpus_ends_well(built, tmp_path, monkeypatch):
    import ray

    monkeypatch.setenv(fitted_once.FOLDER, str(built / "encoder"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    manifests.write_corpus(tmp_path / "studies")
    changes = {
        "source": {"kind": "manifest"},
        "attention": {"encoder": fitted_once.NAME},
        "shards": {"samples_per_shard": 12, "image_size": 40},
    }
    run_build(tmp_path / "studies", tmp_path / "reference", **changes)
    # Ray believes in the GPU; no CUDA is there, so that the encoder runs on the CPU.
    ray.init(address="local", num_cpus=1, num_gpus=1, include_dashboard=False, log_to_driver=False)
    try:
        asked = {"kind": "ray", "encoders": 2}
        _, told = run_build(tmp_path / "studies", tmp_path / "out", engine=asked, **changes)
        with pytest.raises(UsageError, match="gpus_per_encoder"):
            run_build(
                tmp_path / "studies", tmp_path / "never", engine={"kind": "ray", "gpus_per_encoder": 2}, **changes
            )
    finally:
        ray.shutdown()
    assert "encoders: 1 of engine.encoders=2" in told
    assert digests(tmp_path / "out") == digests(tmp_path / "reference")
    assert not (tmp_path / "never" / ".build" / "work").exists()
