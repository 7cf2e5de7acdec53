"""Documents for tests, written by the libraries that other programs use, or byte by byte."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Iterable, Sequence

import docx
import openpyxl
from pypdf import PdfReader, PdfWriter


def pdf(pages: Sequence[str], title: str = "") -> bytes:
    """Return a PDF with a text on each page. Each line of the text is a line of the page."""
    objects: list[bytes] = []
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects.append(b"<< /Type /Catalog /Pages 2 0 R >>")
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for number, text in enumerate(pages):
        shown = "".join(f"({_escaped(line)}) Tj T* " for line in text.split("\n"))
        stream = f"BT /F1 12 Tf 14 TL 72 720 Td {shown}ET".encode("latin-1")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    written = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    written += b"".join(b"%010d 00000 n \n" % place for place in places)
    written += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        start,
    )
    return _rewritten(bytes(written), title) if title else bytes(written)


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _rewritten(data: bytes, title: str = "", password: str = "") -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def encrypted_pdf(pages: Sequence[str], password: str) -> bytes:
    return _rewritten(pdf(pages), password=password)


def word(blocks: Iterable[str | Sequence[Sequence[str]]]) -> bytes:
    """Return a DOCX. A text that begins with "# " is a heading, and rows are a table."""
    document = docx.Document()
    for block in blocks:
        if not isinstance(block, str):
            table = document.add_table(len(block), len(block[0]))
            for row, cells in zip(table.rows, block, strict=True):
                for cell, text in zip(row.cells, cells, strict=True):
                    cell.text = text
        elif block.startswith("# "):
            document.add_heading(block[2:], 1)
        else:
            document.add_paragraph(block)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


Cell = str | int | float | bool | dt.date | dt.time | None


def workbook(**sheets: Sequence[Sequence[Cell]]) -> bytes:
    """Return an XLSX with these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def zip_bomb(like: bytes, mib: int) -> bytes:
    """Return an archive with the members of another, and one of this many MiB of zeros."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(like)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for member in source.infolist():
            bomb.writestr(member.filename, source.read(member))
        with bomb.open("zeros.bin", "w", force_zip64=True) as zeros:
            for _ in range(mib):
                zeros.write(bytes(2**20))
    return out.getvalue()


def growing_workbook(cells: int, characters: int) -> bytes:
    """Return a workbook of 10 kB in which each cell shows the same long text."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    part = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'.encode()
    schema = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rows = "<row><c t='s'><v>0</v></c></row>" * cells
    sheet = f"<worksheet xmlns='{schema}'><sheetData>{rows}</sheetData></worksheet>"
    text = f"<sst xmlns='{schema}'><si><t>{'x' * characters}</t></si></sst>"
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(One=[["a"]]))) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as grown,
    ):
        for name in source.namelist():
            data = source.read(name)
            if name == "[Content_Types].xml":
                data = data.replace(b"</Types>", part)
            grown.writestr(name, sheet if name.endswith("sheet1.xml") else data)
        grown.writestr("xl/sharedStrings.xml", text)
    return out.getvalue()
