"""``avoir contracts check``: all problems of contract files, without a database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from avoir.contracts.problems import Problem, in_reading_order
from avoir.contracts.reading import SOURCES_FILE, ContractFile, contract_paths, read_contracts


def check_paths(paths: Sequence[Path]) -> list[Problem]:
    """Return every problem of the contract files at the given files and folders, in reading order.

    Files that belong to one contracts root are also judged against each other. A root is a folder with a
    list of sources; for files without one, it is the folder given, or for a single file the folder it lies
    in.
    """
    return in_reading_order(problem for file in files_at(paths) for problem in file.problems)


def summary(files: Sequence[ContractFile]) -> str:
    """Return how many files were read and what is wrong with them, in a line."""
    problems = {problem for file in files for problem in file.problems}
    if not problems:
        return "no problem found"
    errors = sum(problem.is_error for problem in problems)
    counts = ((len(files), "file"), (errors, "error"), (len(problems) - errors, "warning"))
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)


def files_at(paths: Sequence[Path]) -> list[ContractFile]:
    """Return the contract files at the given files and folders, read and judged alone and together.

    A folder without a contract file is returned as a file with that problem.
    """
    files: list[ContractFile] = []
    chosen: dict[Path, list[Path]] = {}
    for path in paths:
        if path.is_dir():
            found = contract_paths(path)
            if not found:
                mend = "write a contract file there, or correct the path"
                problem = Problem(str(path), 1, 1, None, "the folder has no contract file", mend)
                files.append(ContractFile(path, str(path), None, (), (problem,), None))
            for file in found:
                chosen.setdefault(_root_of(file, path), []).append(file)
        else:
            chosen.setdefault(_root_of(path, path.parent), []).append(path)
    for root, inside in chosen.items():
        unique = list({file.resolve(): file for file in inside}.values())
        files += read_contracts(root, unique)
    return files


def _root_of(file: Path, otherwise: Path) -> Path:
    """Return the nearest folder above the file that holds a list of sources."""
    for folder in file.resolve().parents:
        if (folder / SOURCES_FILE).is_file():
            return folder
    return otherwise.resolve()
