"""From Python: what the commands do, and nothing imported before it is asked for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest

import medcutmix_pipeline
from medcutmix_pipeline import Dataset, build
from medcutmix_pipeline.__main__ import NEEDED, main
from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import Config
from tests.builds import SETTINGS, digests

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
HEAVY = ("duckdb", "matplotlib", "numpy", "pyarrow", "pydantic", "ray", "rich", "spacy", "torch", "transformers")
LIGHT = f"""
import sys
import medcutmix_pipeline
assert set(dir(medcutmix_pipeline)) == {{"Dataset", "__version__", "build"}}
print(*sorted(set({HEAVY!r}) & set(sys.modules)))
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name == "pyarrow":
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Blocked())
try:
    from medcutmix_pipeline import Dataset
except ImportError as why:
    print(why)
"""


def test_importing_the_package_imports_nothing_heavy_and_says_what_is_missing_when_it_is_used():
    told = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told[0] == ""
    assert told[1] == "Dataset needs pyarrow, which is not installed: pip install 'medcutmix-pipeline[build]'"


BLOCKED = """
import sys
sys.modules["{missing}"] = None  # as good as not installed
sys.argv = {arguments}
from medcutmix_pipeline.__main__ import main
main()
"""


def run_without(missing, *arguments):
    script = BLOCKED.format(missing=missing, arguments=["medcutmix-pipeline", *arguments])
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, input="report\nclear lungs\n"
    )


def test_a_system_without_unix_locks_is_told_where_to_run_instead_of_what_to_install():
    done = run_without("fcntl", "doctor")
    assert done.returncode == 1
    assert done.stderr == "medcutmix-pipeline needs a system with Unix's file locks: on Windows, run it in WSL\n"


def test_what_a_users_own_encoder_does_not_find_is_none_of_the_packages_dependencies(tmp_path, monkeypatch, studies):
    (tmp_path / "encoder_of_mine.py").write_text(
        "class Mine:\n"
        "    id, sha256, image_size = 'mine', '0' * 64, 32\n"
        "    def __init__(self, config): pass\n"
        "    def attend(self, *asked): import what_nobody_installed\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    call = ["attend", str(next(studies.rglob("*.png"))), "Left effusion.", "--encoder", "encoder_of_mine:Mine"]
    monkeypatch.setattr(sys, "argv", ["medcutmix-pipeline", *call])
    with pytest.raises(ModuleNotFoundError, match="what_nobody_installed"):
        main()


def test_every_dependency_of_the_build_is_known_by_its_modules():
    shape = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    named = {re.match(r"[\w-]+", r)[0].lower() for r in shape["dependencies"] + shape["optional-dependencies"]["build"]}
    modules = {}
    for module, owners in packages_distributions().items():
        for owner in owners:
            modules.setdefault(owner.lower(), set()).add(module)
    assert [name for name in named if not modules[name] & NEEDED] == []


@pytest.mark.parametrize(
    "call", ["typer --help", "pydantic doctor", "spacy label - --text report --workers 1", "pyarrow inspect dataset"]
)
def test_a_command_says_in_one_line_what_is_missing_where_only_some_of_its_dependencies_are_there(call):
    missing, *arguments = call.split()
    done = run_without(missing, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"medcutmix-pipeline needs {missing}, which is not installed: ")
    assert done.stderr.count("\n") == 1
    assert "pip install 'medcutmix-pipeline[build]'" in done.stderr


def test_an_unknown_name_is_no_name_of_the_package():
    with pytest.raises(AttributeError, match="nothing"):
        _ = medcutmix_pipeline.nothing


@pytest.mark.parametrize("form", ["mapping", "file", "config"])
def test_build_takes_settings_in_each_form_and_makes_what_the_command_makes(built, studies, tmp_path, form, capsys):
    out = shutil.copytree(built, tmp_path / "dataset")  # so that little is left to be done
    file = tmp_path / "settings.yaml"
    file.write_text(str(SETTINGS))
    config = {"mapping": SETTINGS, "file": file, "config": Config.model_validate(SETTINGS)}[form]
    dataset = build(config, out, source="phantom", root=studies, quiet=form == "file")
    assert digests(out) == digests(built)
    assert len(dataset.plans) == dataset.manifest.counts.plans > 0
    told = capsys.readouterr().out
    assert "already done" in told if form != "file" else told == ""
    assert "\x1b" not in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"out": "x"}, "source= and root="),
        ({"source": "phantom", "root": "."}, "out="),
        ({"config": {"sead": 1}, "out": "x", "source": "phantom", "root": "."}, "did you mean seed"),
        ({"config": "nowhere.yaml", "out": "x"}, "nowhere.yaml"),
    ],
)
def test_a_wrong_call_is_told_before_anything_is_written(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        build(**arguments)
    assert not list(tmp_path.iterdir())


def test_the_home_folder_is_found_where_no_shell_puts_it_in(built, studies, tmp_path, monkeypatch):
    shutil.copytree(built, tmp_path / "home" / "dataset")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for dataset in (Dataset("~/dataset"), build(SETTINGS, "~/dataset", source="phantom", root=studies, quiet=True)):
        assert dataset.folder == tmp_path / "home" / "dataset"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_settings_that_were_handed_over_are_left_as_they_were(tmp_path):
    settings = {"source": {"kind": "openi", "root": "nowhere"}}
    with pytest.raises(UsageError):
        build(settings, tmp_path / "x", source="phantom")
    assert settings == {"source": {"kind": "openi", "root": "nowhere"}}


def test_a_plot_shows_images_and_both_reports(built, tmp_path):
    dataset = Dataset(built)
    plan = next(plan for plan in dataset.plans if any(edit["text"] for edit in plan["edits"]))
    figure = dataset.plot(plan["plan_id"])
    axes = [axes for sub in figure.subfigs for axes in sub.axes]
    shown = [np.asarray(a.images[0].get_array()) for a in axes if a.images]
    assert np.array_equal(shown[0], dataset.image(plan["host_id"]))
    assert np.array_equal(shown[1], dataset.image(plan["donor_id"]))
    assert np.array_equal(shown[3], dataset.mix(plan["plan_id"]))
    words = " ".join(text.get_text() for a in axes for text in a.texts).split()
    put_in = next(edit["text"] for edit in plan["edits"] if edit["text"])
    assert f"+{put_in.strip()}" in " ".join(words)
    figure.savefig(tmp_path / "plan.png")
    assert (tmp_path / "plan.png").stat().st_size > 10_000


def test_without_matplotlib_the_message_says_what_to_install(built, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    dataset = Dataset(built)
    with pytest.raises(UsageError, match=r"pip install 'medcutmix-pipeline\[inspect\]'"):
        dataset.plot(next(iter(dataset.plans))["plan_id"])
