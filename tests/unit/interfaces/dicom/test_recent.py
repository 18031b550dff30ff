"""What was made lately, within so many bytes."""

from interfaces.dicom.web.recent import Recent


def test_what_is_kept_is_made_once_and_the_longest_not_asked_for_gives_way():
    made = []
    recent = Recent(8)

    def ask(key):
        return recent.get(key, lambda: made.append(key) or key.encode() * 3)

    for key in "abab":
        assert ask(key) == key.encode() * 3
    assert made == ["a", "b"]
    ask("c")
    ask("b")
    ask("a")
    assert made == ["a", "b", "c", "a"]


def test_what_is_larger_than_all_is_not_kept():
    recent = Recent(2)
    assert [recent.get("k", lambda number=number: b"x" * 3 + number) for number in (b"1", b"2")] == [b"xxx1", b"xxx2"]
