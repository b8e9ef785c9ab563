"""Files of a payload store whose writer dies at its n-th change, as one that is killed does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eventstore.payload_files import PayloadFiles


class Killed(BaseException):
    """The writer is no more; nothing of this project handles that."""


class MortalFiles:
    """Real files: each change is made whole, or not at all and no more after it.

    `changes` are left to make, None for as many as wanted.
    """

    def __init__(self, files: PayloadFiles) -> None:
        self.changes: int | None = None
        self._files = files

    def put(self, path: str, data: bytes) -> None:
        """Write a file."""
        self.change()
        self._files.put(path, data)

    def delete(self, path: str) -> None:
        """Delete a file."""
        self.change()
        self._files.delete(path)

    def change(self) -> None:
        """Count a change, or die."""
        if self.changes is not None:
            if not self.changes:
                raise Killed
            self.changes -= 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)
