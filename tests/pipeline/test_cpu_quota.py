"""A build uses as many cores as its container or its job may use, and not all that the machine has."""

import os

import pytest

from medcutmix_pipeline.pipeline import machine
from medcutmix_pipeline.pipeline.cpu_quota import cpu_quota


@pytest.fixture
def groups(tmp_path):
    """Writes what the kernel tells: the groups of the process, and files of groups with what stands in them."""

    def write(told, files):
        (tmp_path / "cgroup").write_text(told)
        for name, content in files.items():
            (tmp_path / "mount" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "mount" / name).write_text(content)
        return cpu_quota(tmp_path / "cgroup", tmp_path / "mount")

    return write


def test_a_container_is_limited_by_its_own_group(groups):
    assert groups("0::/\n", {"cpu.max": "250000 100000\n"}) == 2.5


def test_a_job_is_limited_by_the_least_of_the_groups_above_it(groups):
    files = {
        "slurm/cpu.max": "max 100000\n",
        "slurm/job_7/cpu.max": "400000 100000\n",
        "slurm/job_7/step_0/cpu.max": "800000 100000\n",
    }
    assert groups("0::/slurm/job_7/step_0\n", files) == 4


@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct"])
def test_groups_of_the_first_version(groups, controllers):
    files = {f"{controllers}/cpu.cfs_quota_us": "150000\n", f"{controllers}/cpu.cfs_period_us": "100000\n"}
    told = f"5:memory:/docker/0a\n4:{controllers}:/docker/0a\n"
    assert groups(told, files) == 1.5, "in the container its group is the mount, whatever its name is outside"


@pytest.mark.parametrize(
    ("told", "files"),
    [
        ("0::/\n", {}),
        ("0::/\n", {"cpu.max": "max 100000\n"}),
        ("0::/\n", {"cpu.max": "nonsense\n"}),
        ("0::/../../other\n", {}),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}),
        ("4:cpuset:/\n", {"cpu.max": "100000 100000\n"}),
        ("nonsense\n", {"cpu.max": "100000 100000\n"}),
    ],
)
def test_no_limit_is_none(groups, told, files):
    assert groups(told, files) is None


def test_where_there_are_no_control_groups_there_is_no_limit(tmp_path):
    assert cpu_quota(tmp_path / "none", tmp_path) is None


@pytest.mark.parametrize(("quota", "cores"), [(None, 8), (2.5, 3), (0.2, 1), (16.0, 8)])
def test_a_quota_counts_where_it_is_less_than_the_cores_and_a_begun_core_is_one(monkeypatch, quota, cores):
    monkeypatch.setattr(machine, "cpu_quota", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert machine.cpus() == cores
