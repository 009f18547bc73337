"""A plan as a matplotlib figure, for notebooks and papers."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.dataset.words import cuts, inserts
from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from medcutmix_pipeline.dataset.view import PlanView
    from medcutmix_pipeline.dataset.words import Runs

_WIDTH = 78
_SIGNS = {"": "", "cut": "−", "insert": "+"}


def plan_figure(view: PlanView) -> Figure:
    """Host, donor, the donor's map over the donor, and the mix; below them both reports, −cut− and +put in+.

    The figure stands alone: it is no part of pyplot's state, and a notebook shows it as the value of its cell.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise UsageError(
            "plots need matplotlib, which is not installed: pip install 'medcutmix-pipeline[inspect]'"
        ) from None
    row = view.row
    figure = Figure(figsize=(13, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(2, 1))
    images, words = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    host, donor, mapped, mix = images.subplots(1, 4)
    _show(host, view.host, f"host\npresence {row['host_score']:.2f}")
    _show(donor, view.donor, f"donor\npresence {row['donor_score']:.2f}")
    _show(mapped, view.donor, f"the donor's map\ncovers {row['map_area']:.0%}")
    width, height = view.donor.size
    mapped.imshow(
        view.donor_map / 255, cmap="inferno", alpha=0.45, vmin=0, vmax=1, extent=(-0.5, width - 0.5, height - 0.5, -0.5)
    )
    _show(mix, view.mix, f"the mix\nλ = {row['lambda']:.2f}")
    before, after = words.subplots(1, 2)
    _tell(before, cuts(row), "host's report, −cut−")
    _tell(after, inserts(row), "mixed report, +put in+")
    figure.suptitle(f"{row['disease']}, {row['view']}: plan {row['plan_id']}")
    return figure


def _show(axes: Axes, image: object, title: str) -> None:
    axes.imshow(np.asarray(image), cmap="gray", vmin=0, vmax=255)
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def _tell(axes: Axes, runs: Runs, title: str) -> None:
    text = "".join(f"{_SIGNS[mark]}{run}{_SIGNS[mark]}" for run, mark in runs)
    wrapped = "\n".join(textwrap.fill(line, _WIDTH) for line in text.splitlines())
    axes.text(0, 1, wrapped.replace("$", r"\$"), fontsize=9, va="top", transform=axes.transAxes)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_axis_off()
