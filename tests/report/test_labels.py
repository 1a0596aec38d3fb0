"""Where the names of bubbles go."""

from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.report.labels import Anchor, Box, place, text_width

FRAME = Box(0, 0, 600, 400)
anchors = st.builds(
    Anchor,
    x=st.floats(0, 600),
    y=st.floats(0, 400),
    r=st.floats(0, 40),
    text=st.sampled_from(["ViT", "ResNet-20", "MobileNetV2 050", "a rather long name for a network"]),
    rank=st.integers(0, 2),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(anchors, max_size=14))
def test_labels_lie_in_the_frame_and_never_on_each_other(points):
    labels = place(points, FRAME, 13.0)
    assert len(labels) == len(points)
    boxes = [label.box for label in labels if label is not None]
    assert all(box.within(FRAME) for box in boxes)
    assert all(a.overlap(b) == 0 for k, a in enumerate(boxes) for b in boxes[:k])
    assert labels == place(points, FRAME, 13.0)


def test_a_single_label_is_near_its_bubble_and_off_its_centre():
    (label,) = place([Anchor(300, 200, 10, "ViT")], FRAME, 13.0)
    assert label is not None
    assert not label.far
    assert label.box.overlap(Box(295, 195, 305, 205)) == 0
    assert abs(label.y - 200) < 40
    assert abs(label.box.left - 300) < 60


def test_the_higher_rank_gets_its_label_where_there_is_room_for_one():
    tight = Box(295, 190, 380, 210)
    crowd = [Anchor(300, 200, 2, "ResNet-20", rank) for rank in (0, 2, 1)]
    assert [label is not None for label in place(crowd, tight, 14.0)] == [False, True, False]


def test_obstacles_are_kept_clear():
    wall = Box(305, 0, 600, 400)
    (label,) = place([Anchor(300, 200, 3, "ResNet")], FRAME, 13.0, [wall])
    assert label is not None
    assert label.box.overlap(wall) == 0


def test_a_text_too_wide_for_the_frame_has_no_label():
    assert place([Anchor(300, 200, 3, "W" * 200)], FRAME, 13.0) == [None]


def test_widths_grow_with_the_text_and_its_size():
    assert text_width("iii", 10) < text_width("nnn", 10) < text_width("WWW", 10)
    assert text_width("nnn", 20) == 2 * text_width("nnn", 10)
