"""Development reload: which files are sources. `penstock._core` watches them.

Sources are the files of imported modules, also of those that could not be imported; where directories are named, the
Python files in them and whatever matches the patterns given; and the files, or globs of files, that are named in
addition.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import sys
from collections.abc import Callable, Iterator

from penstock._loader import failed_files

#: File and directory names that are never watched, unless they are asked for.
NEVER = (".*", "*.py[cod]", ".sw.*", "~*", "__pycache__")


def sources(
    directories: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    extra: tuple[str, ...],
    ignored_modules: tuple[str, ...],
) -> Callable[[], list[str]]:
    """A function that names the files to watch, which may be others at each look."""
    if include and not directories:
        directories = (".",)
    # The paths of imported modules are absolute too: a file shall have one name.
    directories = tuple(os.path.abspath(directory) for directory in directories)

    def files() -> list[str]:
        found = _imported_files(exclude, ignored_modules)
        for pattern in extra:
            found.update(glob.glob(pattern, recursive=True))
        for directory in directories:
            found.update(_files_below(directory, ("*.py", *include), exclude))
        return sorted(found)

    return files


def _imported_files(exclude: tuple[str, ...], ignored_modules: tuple[str, ...]) -> set[str]:
    modules = [module for name, module in tuple(sys.modules.items()) if name not in ignored_modules]
    files = [getattr(module, "__file__", None) for module in modules]
    return {file for file in (*files, *failed_files) if file and file.endswith(".py") and not _matches(file, exclude)}


def _files_below(directory: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> Iterator[str]:
    never = tuple(pattern for pattern in NEVER if pattern not in include) + exclude
    for path, names, files in os.walk(directory):
        names[:] = [name for name in names if not _matches(os.path.join(path, name), never)]
        for name in files:
            file = os.path.join(path, name)
            if _matches(file, include) and not _matches(file, never):
                yield file


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern fits the file's name, its whole path, or the end of that (`static/*.css`)."""
    name = os.path.basename(path)
    return any(
        fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, f"*/{pattern}")
        for pattern in map(os.path.normpath, patterns)
    )
