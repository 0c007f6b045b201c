"""A Hugging Face data set repository: Parquet shards, card with pictures, Croissant; optionally pushed."""

from __future__ import annotations

from pathlib import Path

from mdlp_bench.data.build import write_parquet
from mdlp_bench.data.export.card import PICTURE, CardFields, contact_sheet, dataset_card
from mdlp_bench.data.export.croissant import croissant
from mdlp_bench.data.inspect import inspect
from mdlp_bench.data.manifest import MANIFEST, Manifest, is_written, read_manifest
from mdlp_bench.data.parquet import ParquetSamples
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError, MissingDependencyError, reason
from mdlp_bench.files import write_bytes, write_json, write_text
from mdlp_bench.output_folder import locked_folder

CARD = "README.md"
CROISSANT = "croissant.json"


def export_huggingface(
    samples: Samples,
    out: Path,
    card: CardFields,
    *,
    name: str | None = None,
    version: str = "1.0.0",
    supersedes: str | None = None,
    engine: Engine = SERIAL,
) -> Manifest:
    """Write a folder that `datasets.load_dataset(path)` opens with its splits and decoded images.

    A folder that already holds these very samples as Parquet only gets its card and Croissant file.

    Args:
        samples: Any samples.
        out: New folder, an unfinished build, or a Parquet data set of the same fingerprint.
        card: What no file can say.
        name: See `write_parquet`, also for the arguments below.
        version: Version of the data set.
        supersedes: The version this one replaces.
        engine: Where shards are written.

    Returns:
        The manifest.

    Raises:
        DataError: As in `write_parquet`.
        MdlpBenchError: The folder cannot be written.
    """
    if is_written(out):
        with locked_folder(out):
            manifest = read_manifest(out)
            if manifest.fingerprint != samples.fingerprint:
                raise DataError(f"{out}: holds another data set ({manifest.name}); choose a new folder")
            _describe(out, manifest, card)
        return manifest
    return write_parquet(
        samples,
        out,
        name=name,
        version=version,
        supersedes=supersedes,
        made_by={"export": "huggingface", "card": card.model_dump()},
        engine=engine,
        beside=lambda manifest: _describe(out, manifest, card),
    )


def _describe(out: Path, manifest: Manifest, card: CardFields) -> None:
    built = ParquetSamples(out)
    write_bytes(out / PICTURE, contact_sheet(built))
    write_text(out / CARD, dataset_card(manifest, inspect(built), card))
    write_json(out / CROISSANT, croissant(out, manifest, card))


def push_to_hub(folder: Path, repository: str, *, private: bool = True) -> str:
    """Upload a finished repository folder to the Hugging Face hub.

    Args:
        folder: As `export_huggingface` left it.
        repository: `owner/name`.
        private: Visible to the owner only.

    Returns:
        The address of the repository.

    Raises:
        DataError: The folder is not finished, or the hub refuses.
        MissingDependencyError: `huggingface_hub` is not installed.
    """
    for needed in (MANIFEST, CARD, CROISSANT):
        if not (folder / needed).is_file():
            raise DataError(f"{folder}: no {needed}; export it as a Hugging Face repository first")
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError
    except ImportError as error:
        raise MissingDependencyError("pushing needs huggingface_hub: pip install huggingface_hub") from error
    api = HfApi()
    try:
        api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=folder,
            commit_message=f"Version {read_manifest(folder).version}",
        )
    except (HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OSError) as error:
        raise DataError(
            f"{repository}: the hub refused ({reason(error)}); log in with `hf auth login`"
        ) from error
    return f"https://huggingface.co/datasets/{repository}"
