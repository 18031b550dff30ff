"""A report as PDF, by ReportLab: each indicator with its months as columns and as a table, then the answers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import reportlab
from reportlab.graphics.shapes import Drawing, Line, Rect, String
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.platypus import Flowable, KeepTogether, LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

from fhir_server.core.errors import error
from fhir_server.subsystems.analytics.reports.content import Answered, Content, Measured

OWN_FONT = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
WIDTH = A4[0] - 36 * mm
HIGH = 32 * mm  # of a plot
MOST_ROWS = 500  # of a table; the CSV has them all
MOST_COLUMNS = 12
MOST_TEXT = 300  # characters of a cell
ACCENT, MISSED, TARGET, PALE = (colors.HexColor(c) for c in ("#2563a8", "#b3261e", "#8a5a00", "#d9dee5"))


def pdf(content: Content, font: str = "") -> bytes:
    """The same bytes whenever it is made; characters that the font lacks are shown as "?"."""
    return _Page(font).made(content)


class _Page:
    def __init__(self, font: str) -> None:
        file = Path(font) if font else OWN_FONT
        self._name = f"report-{file.stem}"
        try:
            self._font = TTFont(self._name, str(file))
        except (TTFError, OSError) as problem:
            raise error("value", f"report_font {font!r} is no TrueType font: {problem}") from None
        pdfmetrics.registerFont(self._font)
        body = ParagraphStyle("body", fontName=self._name, fontSize=9, leading=12)
        self._body = body
        self._cell = ParagraphStyle("cell", body, fontSize=7.5, leading=9.5, splitLongWords=True)
        self._title = ParagraphStyle("title", body, fontSize=18, leading=24)
        self._head = ParagraphStyle("head", body, fontSize=12, leading=16, spaceBefore=10)

    def made(self, content: Content) -> bytes:
        said = f"{content.period}; made {content.made} from the change feed up to {content.position}"
        parts: list[Flowable] = [self._text(content.title, self._title), self._text(said, self._body)]
        for each in content.indicators:
            parts.append(self._indicator(each))
        for table in content.tables:
            parts += self._answer(table)
        into = io.BytesIO()
        document = SimpleDocTemplate(
            into, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm, bottomMargin=18 * mm,
            title=f"{content.title}, {content.period}", author="Ultimate HMS", invariant=1,
        )  # fmt: skip
        document.build(parts, onFirstPage=self._number, onLaterPages=self._number)
        return into.getvalue()

    def _number(self, canvas: Any, document: Any) -> None:
        canvas.setFont(self._name, 8)
        canvas.drawRightString(A4[0] - 18 * mm, 10 * mm, f"{document.page}")

    def _indicator(self, each: Measured) -> Flowable:
        goal = "" if each.target is None else f", target {each.target:g}"
        head = self._text(f"{each.title} ({each.unit}{goal})", self._head)
        if not each.months:
            return KeepTogether([head, self._text("Nothing has been counted yet.", self._body)])
        words = {True: "met", False: "missed", None: ""}
        rows = [[month, _said(value), str(of), words[met]] for month, value, of, met in each.months]
        table = self._table(["month", "value", "of", "target"], rows)
        return KeepTogether([head, self._plot(each), Spacer(1, 2 * mm), table])

    def _answer(self, table: Answered) -> Sequence[Flowable]:
        columns = table.columns[:MOST_COLUMNS]
        shown = [[_said(value) for value in row[:MOST_COLUMNS]] for row in table.rows[:MOST_ROWS]]
        parts: list[Flowable] = [self._text(table.title, self._head)]
        if not shown:
            return [*parts, self._text("No rows.", self._body)]
        parts.append(self._table(columns, shown))
        if table.more or len(table.rows) > MOST_ROWS:
            parts.append(self._text(f"These are the first {len(shown)} rows.", self._body))
        if len(columns) < len(table.columns):
            parts.append(self._text(f"Columns left out here: {', '.join(table.columns[MOST_COLUMNS:])}.", self._body))
        return parts

    def _table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Flowable:
        cells = [[self._text(cell, self._cell) for cell in row] for row in ([*columns], *rows)]
        table = LongTable(cells, colWidths=[WIDTH / len(columns)] * len(columns), repeatRows=1, hAlign="LEFT")
        table.setStyle(
            TableStyle([
                ("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.black),
                ("LINEBELOW", (0, 1), (-1, -1), 0.25, PALE),
                ("TOPPADDING", (0, 0), (-1, -1), 1.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ])
        )  # fmt: skip
        return table

    def _plot(self, each: Measured) -> Flowable:
        top = max([each.target or 0, 0, *(value for _, value, _, _ in each.months if value)]) * 1.1 or 1
        room = HIGH - 5 * mm
        wide = WIDTH / max(len(each.months), 6)
        drawing = Drawing(WIDTH, HIGH)
        for at, (month, value, _, met) in enumerate(each.months):
            colour = MISSED if met is False else ACCENT
            height = max(room * max(value or 0, 0) / top, 0.5)
            column = Rect(at * wide + wide * 0.15, 5 * mm, wide * 0.7, height)
            column.fillColor, column.strokeColor = colour, None
            if value is not None:
                drawing.add(column)
            if at % -(-len(each.months) // 13) == 0:
                drawing.add(
                    String((at + 0.5) * wide, 1 * mm, month[2:], fontName=self._name, fontSize=6, textAnchor="middle")
                )
        if each.target is not None:
            level = 5 * mm + room * each.target / top
            drawing.add(Line(0, level, WIDTH, level, strokeColor=TARGET, strokeDashArray=[3, 2]))
        return drawing

    def _text(self, text: str, style: ParagraphStyle) -> Paragraph:
        known = self._font.face.charToGlyph
        shown = "".join(letter if letter.isspace() or ord(letter) in known else "?" for letter in text)
        return Paragraph(escape(shown), style)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _said(value: Any) -> str:
    if value is None:
        return ""
    text = _number(value) if isinstance(value, float) else str(value)
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"
