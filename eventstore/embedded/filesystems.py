"""Which file system a path lies on: locks and fsync mean little on a network file system."""

from __future__ import annotations

import re
from pathlib import Path

from eventstore.errors import EmbeddedError

MOUNT_TABLE = Path("/proc/self/mountinfo")

NETWORK_TYPES = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "9p", "afs", "coda"),
        *("ceph", "glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "gfs2", "ocfs2"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.s3fs"),
        *("fuse.gcsfuse", "fuse.rclone", "fuse.davfs", "davfs", "vboxsf", "virtiofs"),
    }
)

_ESCAPE = re.compile(r"\\([0-7]{3})")


def require_local(path: Path) -> None:
    """Raise `EmbeddedError` if `path` lies on a network file system.

    A lock taken there may be invisible to another host, and two servers on one directory lose
    acknowledged events. Where the system has no mount table in /proc (macOS) nothing is known
    and nothing is refused.
    """
    if not MOUNT_TABLE.exists():
        return
    kind = filesystem_type(path.resolve(), MOUNT_TABLE.read_text())
    if kind in NETWORK_TYPES:
        raise EmbeddedError(
            f"the data directory {path} lies on a network file system ({kind}), whose locks do "
            "not keep a second server away; set EVENTSTORE_HOME to a local directory, or "
            "REDIS_URL to a server of your own"
        )


def filesystem_type(path: Path, mountinfo: str) -> str | None:
    """Return the type of the file system that holds `path`, by a mount table's text.

    The mount with the longest matching path counts; of two mounts on one path, the later, which
    covers the earlier. None if no mount matches.
    """
    best: tuple[int, str] | None = None
    for line in mountinfo.splitlines():
        # Six fields and optional ones, the fifth the mount point; a dash; type, source, options.
        mounted, _, described = line.partition(" - ")
        point = Path(_unescape(mounted.split()[4]))
        depth = len(point.parts)
        if path.is_relative_to(point) and (best is None or depth >= best[0]):
            best = depth, described.split()[0]
    return None if best is None else best[1]


def _unescape(mount_point: str) -> str:
    # The kernel writes blanks and backslashes as three octal digits.
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), mount_point)
