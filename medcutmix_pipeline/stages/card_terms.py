"""The terms of the sources that a dataset may come from, for its card. No legal advice: their own texts count."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """What a source's licence means for a dataset built from it.

    Attributes:
        hub: licence identifier of the Hugging Face Hub; `other` where it knows none.
        name: an identifier of our own where `hub` is `other`, else the empty string.
        link: the licence's text; the empty string where there is none to link to.
        sharing: who may have the dataset, in words.
        cite: what the source asks to be cited, one line each.
    """

    hub: str
    name: str
    link: str
    sharing: str
    cite: tuple[str, ...]


METHOD = "MedCutMix, arXiv:2509.16673, for the method."

_TERMS = {
    "openi": Terms(
        hub="cc-by-nc-nd-4.0",
        name="",
        link="https://creativecommons.org/licenses/by-nc-nd/4.0/legalcode",
        sharing="""Open-I's licence is CC BY-NC-ND 4.0: name the source, no commercial use, and adapted material may be
made but not shared. Mixed reports and mixed images are adaptations: **keep this dataset to yourself**. What may be
shared is how to build it again: the configuration in `dataset.json` and the version of the tool.""",
        cite=(
            "Demner-Fushman et al., Preparing a collection of radiology examinations for distribution and retrieval, "
            "JAMIA 2016;23(2):304-310.",
        ),
    ),
    "mimic-cxr-jpg": Terms(
        hub="other",
        name="physionet-credentialed-health-data-license-1.5.0",
        link="https://physionet.org/content/mimic-cxr-jpg/view-license/2.1.0/",
        sharing="""MIMIC-CXR is licensed under the PhysioNet Credentialed Health Data License 1.5.0 and its data use
agreement: only credentialed users who signed it may have access, nobody may try to identify a person, and nothing may
be sent to third parties, online services included. PhysioNet asks that what is derived from MIMIC be treated as
sensitive, and be shared through PhysioNet alone, under the same agreement.
**Do not upload this dataset elsewhere.**""",
        cite=(
            "Johnson et al., MIMIC-CXR-JPG - chest radiographs with structured labels (version 2.1.0), PhysioNet 2024, "
            "doi:10.13026/jsn5-t979; and arXiv:1901.07042.",
            "Johnson et al., MIMIC-CXR, a de-identified publicly available database of chest radiographs with "
            "free-text reports, Sci Data 2019;6:317.",
            "Goldberger et al., PhysioBank, PhysioToolkit, and PhysioNet, Circulation 2000;101(23):e215-e220.",
        ),
    ),
    "chexpert-plus": Terms(
        hub="other",
        name="stanford-university-dataset-research-use-agreement",
        link="https://stanfordaimi.azurewebsites.net/datasets/5158c524-d3ab-4e02-96e9-6ee9efc110a1",
        sharing="""CheXpert Plus is licensed under the Stanford University Dataset Research Use Agreement, which each
user enters into: research only, and no passing on. **Do not share this dataset**; whoever wants it gets CheXpert Plus
from Stanford and builds it again.""",
        cite=(
            "Chambon et al., CheXpert Plus: Augmenting a Large Chest X-ray Dataset with Text Radiology Reports, "
            "Patient Demographics and Additional Image Formats, arXiv:2405.19538.",
        ),
    ),
    "phantom": Terms(
        hub="apache-2.0",
        name="",
        link="https://www.apache.org/licenses/LICENSE-2.0",
        sharing="The studies are generated: no patient's data is in them, and the dataset may be shared freely.",
        cite=(),
    ),
}

_OWN = Terms(
    hub="other",
    name="inherited-from-source",
    link="",
    sharing="""The source is an archive of your own, and its terms are known to you alone: consent, the ethics board's
decision and your institution's rules hold for this dataset as for the archive. Until somebody who may decide it has
said otherwise, **do not share it**.""",
    cite=("The archive that the studies come from.",),
)


def terms_of(kind: str) -> Terms:
    """The terms of a kind of source; the most careful ones for an archive that nobody here knows."""
    return _TERMS.get(kind, _OWN)
