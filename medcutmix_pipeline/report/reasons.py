"""What the codes in a dataset mean, in plain words."""

from __future__ import annotations

REJECTS = {
    "image-missing": "the source lists it, but there is no such file",
    "image-empty": "the file has no bytes",
    "image-blank": "every pixel has the same value",
    "image-undecodable": "no decoder can read it",
    "image-truncated": "the file ends too early",
    "image-multiframe": "more than one picture in a file",
    "image-degenerate": "too thin or too small to be a radiograph",
    "image-too-large": "the file is larger than ingest.max_bytes",
    "image-too-many-pixels": "larger than ingest.max_pixels, or than the memory",
    "image-unreadable": "the file cannot be opened or read",
    "transfer-syntax-unsupported": "a DICOM compression that no installed decoder knows",
    "view-unknown": "it could not be told whether it is a frontal or a lateral view",
    "view-unsupported": "neither a frontal nor a lateral view",
    "report-empty": "nothing is left of the report once it is cleaned",
    "report-missing": "there is no report",
    "report-unreadable": "the report's file cannot be read",
    "patient-missing": "without a patient, train and test could share one",
    "study-missing": "the source gives the image no study",
    "duplicate-id": "the identifier occurs twice",
    "study-rows-disagree": "its row says another report or split than an earlier row of the same study",
    "row-malformed": "a row of the source's table cannot be read",
    "path-unsupported": "a file name that cannot be used",
    "path-outside-root": "the file lies outside the source's folder",
    "report-not-utf8": "the report is not UTF-8 text",
    "report-too-large": "the report's file is too large to be a report",
    "study-without-image": "the source lists no image of it",
    "study-without-usable-image": "none of its images could be used",
    "split-conflict": "one patient in two splits",
    "split-unknown": "the source's word for the split means none that is known",
    "split-unusable": "a split name that cannot be used in file names",
    "decoder-crashed": "decoding it ended the process",
    "reader-crashed": "reading its report ended the process",
}

DROPPED = {
    "donor-poor": "the donor's sentence does not stand by itself: it leans on another, explains the finding away, "
    "or only compares with an earlier study",
    "contradiction": "the mixed report would both assert and deny a finding",
    "does-not-fit": "the donor's sentence conflicts with the rest of the host's report",
    "dangling-reference": "something in the host's report refers to what would be cut",
    "denied-finding": "the mixed report would assert a finding that the host's denied",
    "said-twice": "the mixed report would state a finding twice",
    "text-unchanged": "donor and host say the same",
    "disease-lost": "the mixed report would no longer assert the finding",
    "host-lacks-disease": "the host has no sentence that asserts the finding",
    "presence-low": "the encoder does not see the finding in the donor's image (plans.min_presence)",
    "map-too-small": "the map covers too little of the image (plans.min_map_area)",
    "map-too-large": "the map covers almost all of the image (plans.max_map_area)",
}
