"""`phantom`: the folder that the phantom generator writes; its table has a manifest's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.sources.base import SourceDescription
from medcutmix_pipeline.sources.manifest import ManifestAdapter, ManifestSource, fits

if TYPE_CHECKING:
    from medcutmix_pipeline.sources.trees import Tree

DESCRIPTION = SourceDescription(
    kind="phantom",
    title="synthetic studies with known truth, made by `medcutmix-pipeline phantom`",
    layout="""ROOT/
├── studies.csv            a manifest
├── truth.csv              where each finding is
├── images/
└── reports/""",
    licence="free; nothing in it comes from a patient, and its identifiers stay as they are",
    example="medcutmix-pipeline phantom phantoms --studies 400 && "
    "medcutmix-pipeline build --source phantom --root phantoms --out out/phantoms",
)


class PhantomAdapter:
    """Opens a folder of phantom studies."""

    description = DESCRIPTION

    def recognises(self, tree: Tree) -> bool:
        """Whether the generator's two tables are there."""
        names = tree.names()
        return "studies.csv" in names and "truth.csv" in names and fits(tree, "studies.csv")

    def open(self, tree: Tree, root: str) -> ManifestSource:
        """The studies of the folder."""
        if not self.recognises(tree):
            raise UsageError(f"{root} holds no phantom studies: studies.csv and truth.csv are expected")
        table = ManifestAdapter().open_table(tree, "studies.csv")
        return ManifestSource(tree, table.table, kind="phantom", public_ids=True)
