"""Contact sheets: all that there is to see of a plan or a sample in one labelled picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from medcutmix_pipeline.dataset.words import cuts, inserts, printable
from medcutmix_pipeline.pictures.overlay import mapped
from medcutmix_pipeline.pictures.paper import PANEL, Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from medcutmix_pipeline.dataset.view import PlanView, SampleView

MOST_VIEWS = 40
_COLUMNS = 4


def sheet(views: Sequence[PlanView | SampleView]) -> Image.Image:
    """Plans and samples, one below the other, RGB.

    Of a plan: host, donor, the donor's map, and the mix in a row; below them both reports with the cut and the insert.
    Of a sample: its image and each of its maps; below them its report and labels.
    """
    from medcutmix_pipeline.dataset.view import PlanView

    page = Page(_COLUMNS)
    for view in views:
        if isinstance(view, PlanView):
            _plan(page, view)
        else:
            _sample(page, view)
    return page.image()


def _plan(page: Page, view: PlanView) -> None:
    row = view.row
    page.heading(
        f"{row['disease']} · {row['view']} · lambda {row['lambda']:.2f}",
        f"plan {row['plan_id']}, {row['split']}, shard {row['shard']}",
    )
    page.pictures(
        [
            (view.host, f"host {row['host_id']} (presence {row['host_score']:.2f})"),
            (view.donor, f"donor {row['donor_id']} (presence {row['donor_score']:.2f})"),
            (_with_map(view.donor, view.donor_map), f"the donor's map covers {row['map_area']:.0%} of the image"),
            (view.mix, f"the mix: {1 - row['lambda']:.0%} of the donor where its map is strongest"),
        ]
    )
    reports = (
        ("host's report, what is cut struck through", cuts),
        ("mixed report, what is put in underlined", inserts),
    )
    page.texts([(title, runs(row)) for title, runs in reports])


def _sample(page: Page, view: SampleView) -> None:
    row = view.row
    page.heading(
        f"{row['sample_id']} · {row['view']}",
        f"{row['split']}, shard {row['shard']}, {view.image.width} by {view.image.height} px, {row['n_plans']} plans",
    )
    panels = [(view.image, "as stored")]
    panels += [
        (_with_map(view.image, attention), f"{told['disease']} (presence {told['score']:.2f}): {_sentence(told)}")
        for attention, told in view.maps
    ]
    for start in range(0, len(panels), _COLUMNS):
        page.pictures(panels[start : start + _COLUMNS])
    labels = "\n".join(f"{finding}: {assertion}" for finding, assertion in row["labels"].items())
    page.texts([("report", [(printable(row["text"]), "")]), ("labels", [(labels or "none", "")])])


def _sentence(told: dict[str, Any]) -> str:
    return printable(str(told["sentence"]))


def _with_map(image: Image.Image, attention: NDArray[np.uint8]) -> Image.Image:
    scale = PANEL / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return mapped(image.resize(size, Image.Resampling.LANCZOS), attention)
