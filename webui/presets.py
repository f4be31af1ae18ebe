"""Presets: the knobs under a name, one small YAML file each. Those that ship, and a person's own.

A file holds only what differs from neutral:

    name: My style            # of one's own presets; a shipped one has its file's name
    title: {en: …, ru: …}     # of those that ship
    description: {en: …, ru: …}
    order: 1                  # its place among those that ship
    sampling:
      temperature: 0.7

A name may be anything that can be seen. It stands in the file; what the file is called is made of plain letters and
a digest, so that no name leads out of the folder or means something to an operating system.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from backends.sampling import NEUTRAL, SamplingParams
from webui.errors import PresetBroken, PresetExists, PresetNotFound, PresetReserved
from webui.preset_files import PresetFile, checked_name, file_name, name_key, read_preset, write_preset


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset as it is listed. One with an `error` cannot be loaded, and its knobs are neutral."""

    name: str
    own: bool
    sampling: SamplingParams = NEUTRAL
    titles: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    error: PresetBroken | None = None

    def title(self, language: str) -> str:
        """Return what to call it in a language ("en", "ru")."""
        return self.titles.get(language) or self.titles.get("en") or self.name

    def description(self, language: str) -> str:
        """Return what it is for, "" if that is not known."""
        return self.descriptions.get(language) or self.descriptions.get("en") or ""


class Presets:
    """The presets that one person sees. Files are read anew each time: whoever edits one by hand need not restart."""

    def __init__(self, shipped: Path, own: Path) -> None:
        """`shipped` and `own` are folders; the latter is made when something is saved."""
        self._shipped_folder, self._own_folder = shipped, own

    def list(self) -> tuple[Preset, ...]:
        """Return all presets, those that ship first; a broken one says what is wrong with it."""
        return tuple(preset for preset, _ in self._all())

    def load(self, name: str) -> Preset:
        """Return the preset of a name. Raises `PresetNotFound`, `PresetBroken`."""
        for preset, _ in self._all():
            if name_key(preset.name) == name_key(name):
                if preset.error is not None:
                    raise preset.error
                return preset
        raise PresetNotFound(name=name)

    def save(self, name: str, sampling: SamplingParams, overwrite: bool = False) -> Preset:
        """Keep knobs under a name.

        Raises `BadName`, `PresetReserved`, `PresetExists` unless `overwrite`, `StorageFull`.
        """
        name = self._free_of_shipped(name)
        found = self._find_own(name)
        if found is not None and not overwrite:
            raise PresetExists(name=name)
        old, path = found if found is not None else (Preset(name, own=True), self._own_folder / file_name(name))
        preset = replace(old, name=name, sampling=sampling, error=None)
        write_preset(path, preset.name, sampling, preset.descriptions)
        return preset

    def rename(self, old: str, new: str) -> Preset:
        """Give one of the person's own another name.

        Raises `BadName`, `PresetNotFound`, `PresetBroken`, `PresetReserved` (either name), `PresetExists`.
        """
        preset, path = self._own(old)
        if preset.error is not None:
            raise preset.error
        new = self._free_of_shipped(new)
        if (other := self._find_own(new)) is not None and other[1] != path:
            raise PresetExists(name=new)
        target = self._own_folder / file_name(new)
        write_preset(target, new, preset.sampling, preset.descriptions)
        if target != path:
            path.unlink(missing_ok=True)
        return replace(preset, name=new)

    def delete(self, name: str) -> None:
        """Delete one of the person's own, a broken one too. Raises `PresetNotFound`, `PresetReserved`."""
        _, path = self._own(name)
        path.unlink(missing_ok=True)

    def _all(self) -> Iterator[tuple[Preset, Path]]:
        taken: set[str] = set()
        for preset, path in (*self._shipped(), *self._own_ones()):
            # Two files may hold one name: a later version ships it, or somebody copied a file.
            name, number = preset.name, 2
            while name_key(name) in taken:
                name, number = f"{preset.name} ({number})", number + 1
            taken.add(name_key(name))
            yield replace(preset, name=name), path

    def _shipped(self) -> Sequence[tuple[Preset, Path]]:
        files = [(read_preset(path), path) for path in _files(self._shipped_folder)]
        files.sort(key=lambda pair: (pair[0].order, pair[1].name))
        return [(_preset(file, path.stem, own=False), path) for file, path in files]

    def _own_ones(self) -> Sequence[tuple[Preset, Path]]:
        files = [(read_preset(path), path) for path in _files(self._own_folder)]
        found = [(_preset(file, file.name or path.stem, own=True), path) for file, path in files]
        return sorted(found, key=lambda pair: (name_key(pair[0].name), pair[1].name))

    def _find_own(self, name: str) -> tuple[Preset, Path] | None:
        mine = (pair for pair in self._all() if pair[0].own)
        return next((pair for pair in mine if name_key(pair[0].name) == name_key(name)), None)

    def _own(self, name: str) -> tuple[Preset, Path]:
        if (found := self._find_own(name)) is not None:
            return found
        if self._is_shipped(name):
            raise PresetReserved(name=name)
        raise PresetNotFound(name=name)

    def _free_of_shipped(self, name: str) -> str:
        name = checked_name(name)
        if self._is_shipped(name):
            raise PresetReserved(name=name)
        return name

    def _is_shipped(self, name: str) -> bool:
        """Titles are reserved too: what looks the same in the list must be the same."""
        shipped = (preset for preset, _ in self._shipped())
        return any(name_key(name) in map(name_key, (at.name, *at.titles.values())) for at in shipped)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.yaml") if path.is_file()) if folder.is_dir() else []


def _preset(file: PresetFile, name: str, own: bool) -> Preset:
    error = PresetBroken(name=name, reason=file.problem) if file.problem else None
    return Preset(name, own, file.sampling, {} if own else file.titles, file.descriptions, error)
