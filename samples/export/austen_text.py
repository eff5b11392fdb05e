"""The training text: Jane Austen's six novels, from Debian's `r-cran-janeaustenr`.

The package ships the novels as an R lazy-load database (`Rdata.rdb`): a run of
chunks, each a big-endian length and a zlib stream, each stream one serialized
character vector with one element per printed line. That is little enough to
read here, so neither R nor an R reader is needed.
"""

import re
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

PACKAGE = "r-cran-janeaustenr"
RDB = "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
STRSXP, CHARSXP = 16, 9
HEADING = re.compile(r"^(?:volume|chapter) [IVXLC\d]+$", re.IGNORECASE | re.MULTILINE)
END = re.compile(r"^(?:the end|finis)$", re.IGNORECASE | re.MULTILINE)


def download_rdb() -> bytes:
    """Fetch and unpack the Debian package, and return its text database."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True)
        (deb,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", deb, folder], check=True)
        return (Path(folder) / RDB).read_bytes()


def read_strings(serialized: bytes) -> list[str]:
    """Read one R-serialized (XDR, version 3) character vector."""
    assert serialized[:2] == b"X\n", "not an XDR serialization"
    at = 2

    def int32() -> int:
        nonlocal at
        (value,) = struct.unpack_from(">i", serialized, at)
        at += 4
        return value

    version, _written_by, _readable_by = int32(), int32(), int32()
    assert version == 3, version
    name_length = int32()
    at += name_length  # the name of the writer's native encoding
    assert int32() & 0xFF == STRSXP
    lines = []
    for _ in range(int32()):
        assert int32() & 0xFF == CHARSXP
        length = int32()
        lines.append(serialized[at : at + length].decode("utf-8"))
        at += length
    return lines


def load_chapters() -> list[str]:
    """Every chapter of the six novels, headings dropped, in the order of the package."""
    rest = download_rdb()
    chapters = []
    while rest:
        stream = zlib.decompressobj()
        lines = read_strings(stream.decompress(rest[4:]))
        chapters += split_chapters(unwrap(lines))
        rest = stream.unused_data
    return chapters


def unwrap(lines: list[str]) -> str:
    """Join hard-wrapped lines into paragraphs and drop the underscores of italics."""
    text = "\n".join(line.strip() for line in lines)
    paragraphs = (" ".join(p.split()) for p in re.split(r"\n{2,}", text))
    return "\n\n".join(p for p in paragraphs if p).replace("_", "")


def split_chapters(novel: str) -> list[str]:
    """Cut a novel at its chapter headings; title pages and end matter go."""
    _title_page, *chapters = HEADING.split(novel)
    return [body for chapter in chapters if (body := END.split(chapter)[0].strip())]
