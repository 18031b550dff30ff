from __future__ import annotations

import pytest

from fhir_server.fhirpath.xhtml import html_checks

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


@pytest.mark.parametrize(
    "content",
    [
        "x",
        "<p>a <b>b</b></p>",
        '<table class="grid"><tbody><tr><td colspan="2">a &amp; b &#160;</td></tr></tbody></table>',
        '<a href="http://example.org/?a=1&amp;b=2">link</a>',
        '<img src="picture.png" alt="p"/>',
        "<!-- a comment -->x",
        "a<br/>b<br />c<hr></hr>",
        '<p style="color: red" title="1 &gt; 2">x</p>',
    ],
)
def test_basic_formatting_is_allowed(content: str) -> None:
    assert html_checks(DIV.format(content))


@pytest.mark.parametrize(
    "div",
    [
        "<div>x</div>",
        '<p xmlns="http://www.w3.org/1999/xhtml">x</p>',
        DIV.format(""),
        DIV.format("  \n "),
        DIV.format("x<p>"),
        DIV.format("<script>x</script>"),
        DIV.format("x<form><input/></form>"),
        DIV.format('<p onclick="x()">x</p>'),
        DIV.format('<a href="javascript:x()">x</a>'),
        DIV.format('<a href="java&#115;cript:x()">x</a>'),
        DIV.format("<a href='javascript:x()'>x</a>"),
        DIV.format('<p xmlns="urn:other">x</p>'),
        DIV.format('<s:p xmlns:s="urn:other">x</s:p>'),
        DIV.format("x&nbsp;y"),
        DIV.format("x") + "<div/>",
        "<!DOCTYPE div>" + DIV.format("x"),
        "x",
        "",
    ],
)
def test_everything_else_is_not(div: str) -> None:
    assert not html_checks(div)
