"""`attend`: one map at once."""

from pathlib import Path
from typing import Annotated

import typer

from medcutmix_pipeline.commands.shape import option
from medcutmix_pipeline.outfile import check_png, refuse_inputs, whole_file


def attend(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="DICOM, PNG, JPEG, WebP or TIFF.", show_default=False)],
    sentence: Annotated[
        str, typer.Argument(metavar="SENTENCE", help="What to look for, as a report says it.", show_default=False)
    ],
    encoder: Annotated[
        str,
        option(
            "ENCODER", "A dataset whose fitted encoder is asked; or a model's folder, published name, or module:Class."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The picture to write.")] = Path("overlay.png"),
    mass: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="SHARE", help="Width of the map, as attention.mass; 0: raw attention."),
    ] = 0.5,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")] = "auto",
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that comes with a published model.")
    ] = False,
) -> None:
    """Show where an encoder finds a sentence in an image: a picture of the map over the image, and its score."""
    from medcutmix_pipeline.pictures import attend_image, overlay
    from medcutmix_pipeline.pictures.attend import fitted_in
    from medcutmix_pipeline.schemas.config import AttentionConfig

    check_png(out)
    refuse_inputs(out, image)
    fitted = fitted_in(encoder)
    config = AttentionConfig(
        encoder="fit" if fitted else encoder, mass=mass, device=device, trust_remote_code=trust_remote_code
    )
    found = attend_image(image, sentence, config, fitted)
    x, y = found.peak
    told = (
        f"score {found.score:.2f}, covers {found.area:.1%} of the image, "
        f"strongest at {x:.0%} from the left and {y:.0%} from the top"
    )
    with whole_file(out) as file:
        overlay(found.image, found.attention, f"{sentence}  ({told})").save(file, "PNG")
    typer.echo(f"{told}; {out}")
    if found.truncated:
        typer.echo("the sentence is longer than the encoder reads: this is of its beginning alone", err=True)
