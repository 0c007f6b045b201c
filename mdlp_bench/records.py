"""Versioned JSON records: one pydantic model per file, refused in one line when missing or not understood."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from pydantic import ValidationError

from mdlp_bench.errors import MdlpBenchError, first_fault
from mdlp_bench.files import read_json, write_json
from mdlp_bench.frozen import Frozen


class Record(Frozen):
    """A JSON file in a folder.

    Subclasses have a field `schema_version: Literal[n] = n`, whose default is what this program reads.

    Attributes:
        file_name: The file's name in its folder.
        error: What is raised when it cannot be read.
        remedy: What the user may do then.
    """

    file_name: ClassVar[str]
    error: ClassVar[type[MdlpBenchError]]
    remedy: ClassVar[str]

    def write(self, folder: Path) -> None:
        """Write the record into its folder, atomically."""
        write_json(folder / self.file_name, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the record of a folder.

        Raises:
            MdlpBenchError: There is none, or it is of another schema version or damaged; of type `error`.
        """
        path = folder / cls.file_name
        if not folder.exists():
            raise cls.error(f"{folder}: no such folder")
        if not path.is_file():
            raise cls.error(f"{folder}: no {cls.file_name} in it; {cls.remedy}")
        content = read_json(path)
        found = content.get("schema_version") if isinstance(content, dict) else None
        wanted = cls.model_fields["schema_version"].default
        if found != wanted:
            raise cls.error(f"{path}: schema version {found}, this program reads {wanted}; {cls.remedy}")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise cls.error(f"{path}: {first_fault(error)}; {cls.remedy}") from error
