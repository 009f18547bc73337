"""Reading reports does not bring torch into a process, and takes it from nobody."""

import subprocess
import sys

REPORT = "There is a small left pleural effusion. No pneumothorax. The heart may be enlarged."


def in_a_new_process(script: str) -> str:
    """What a script prints in an interpreter that has imported nothing yet."""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    return ran.stdout.strip()


def test_a_reader_without_a_spacy_pipeline_imports_no_torch_and_reads_alike():
    script = f"""
import sys
from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.stages.sentences.opening import open_reader
labels = open_reader(SentencesConfig()).read({REPORT!r}).labels
assert "torch" not in sys.modules and "spacy" in sys.modules
import torch  # whoever wants it later gets it
from medcutmix_pipeline.stages.sentences import ReportReader
assert ReportReader(SentencesConfig()).read({REPORT!r}).labels == labels
print(len(torch.ones(3)), labels["Pleural Effusion"])
"""
    assert in_a_new_process(script) == "3 present"


def test_the_modules_that_a_build_on_ray_imports_bring_neither_torch_nor_spacy():
    script = """
import sys
import medcutmix_pipeline.cli, medcutmix_pipeline.pipeline.build, medcutmix_pipeline.pipeline.ray_engine
print([name for name in ("torch", "spacy", "transformers") if name in sys.modules])
"""
    assert in_a_new_process(script) == "[]"
