"""The map of tags and AudioSet classes, as SVG of the page: near is alike, axes mean nothing.

It is not drawn by Matplotlib, for each point has a title to be read under the pointer. Every domain
has a marker of its own beside its color.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from earmark.annotate.audit.results import MapPoint

WIDTH, HEIGHT, MARGIN = 960, 720, 24
MAX_LABELS = 60
LABEL_HEIGHT = 15.0
CHARACTER_WIDTH = 7.2
MARKERS = {
    "speech": "M-3-3h6v6h-6z",
    "music": "M0-4 4 3h-8z",
    "sound": "M-3.3 0a3.3 3.3 0 1 0 6.6 0a3.3 3.3 0 1 0-6.6 0z",
    "class": "M-3-3 3 3M-3 3 3-3",
}
"""Outlines by kind of point: square, triangle, disc and cross."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class PlacedPoint:
    """A point on the drawing, in its units."""

    point: MapPoint
    x: float
    y: float

    @property
    def kind(self) -> str:
        """Return the kind of its marker; a tag of no known domain is drawn as a sound."""
        if self.point.kind == "class":
            return "class"
        return self.point.domain if self.point.domain in MARKERS else "sound"


def draw_tag_map(points: Sequence[MapPoint]) -> str:
    """Return the SVG of the map."""
    placed = place_points(sort_by_frequency(points))
    groups = (_svg_group(kind, [p for p in placed if p.kind == kind]) for kind in reversed(MARKERS))
    names = "".join(
        f'<text x="{x:.0f}" y="{y:.0f}">{escape(name)}</text>'
        for name, x, y in place_labels(placed)
    )
    symbols = "".join(f'<path id="map-{kind}" d="{path}"/>' for kind, path in MARKERS.items())
    return (
        f'<svg class="plot map" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Map of tags and AudioSet classes by meaning"><defs>{symbols}</defs>'
        f"{''.join(groups)}<g>{names}</g></svg>"
    )


def tag_map_key(points: Sequence[MapPoint]) -> tuple[tuple[str, str, int], ...]:
    """Return (kind, what the page calls it, how many are drawn) of each kind that is drawn."""
    names = {"class": "AudioSet classes"}
    counts = Counter(spot.kind for spot in place_points(sort_by_frequency(points)))
    return tuple((kind, names.get(kind, kind), counts[kind]) for kind in MARKERS if counts[kind])


def sort_by_frequency(points: Sequence[MapPoint]) -> list[MapPoint]:
    """Return all points: the most frequent tags first, the classes last."""
    return sorted(points, key=lambda point: (point.kind == "class", -point.df, point.name))


def place_points(points: Sequence[MapPoint]) -> list[PlacedPoint]:
    """Return points at the scale of the drawing, the same in both directions, centred."""
    if not points:
        return []
    left, right = min(p.x for p in points), max(p.x for p in points)
    top, bottom = min(p.y for p in points), max(p.y for p in points)
    scale = min(
        (WIDTH - 2 * MARGIN) / max(right - left, 1e-9),
        (HEIGHT - 2 * MARGIN) / max(bottom - top, 1e-9),
    )
    x_middle, y_middle = (left + right) / 2, (top + bottom) / 2
    return [
        PlacedPoint(p, WIDTH / 2 + scale * (p.x - x_middle), HEIGHT / 2 + scale * (p.y - y_middle))
        for p in points
    ]


def place_labels(placed: Sequence[PlacedPoint]) -> Iterator[tuple[str, float, float]]:
    """Yield (name, x, y) of the most frequent tags whose name finds room beside its point.

    A name is tried right, left, above and below; one that finds no room goes unwritten.
    """
    taken = list[Box]()
    for spot in placed:
        if len(taken) == MAX_LABELS:
            return
        if spot.point.kind == "class":
            continue
        width = CHARACTER_WIDTH * len(spot.point.name)
        for x, y in _label_positions(spot, width):
            box = (x, y - 0.8 * LABEL_HEIGHT, x + width, y + 0.2 * LABEL_HEIGHT)
            if _is_inside(box) and not any(_boxes_overlap(box, other) for other in taken):
                taken.append(box)
                yield spot.point.name, x, y
                break


def _label_positions(spot: PlacedPoint, width: float) -> tuple[tuple[float, float], ...]:
    return (
        (spot.x + 7, spot.y + 5),
        (spot.x - 7 - width, spot.y + 5),
        (spot.x - width / 2, spot.y - 8),
        (spot.x - width / 2, spot.y + 17),
    )


def _is_inside(box: Box) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= WIDTH and box[3] <= HEIGHT


def _boxes_overlap(one: Box, other: Box) -> bool:
    apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    return not apart


def _svg_group(kind: str, placed: Sequence[PlacedPoint]) -> str:
    # The frequent ones come last, on top of the others.
    marks = "".join(
        f'<use href="#map-{kind}" x="{spot.x:.0f}" y="{spot.y:.0f}">'
        f"<title>{escape(_point_title(spot.point))}</title></use>"
        for spot in reversed(placed)
    )
    return f'<g class="{kind}">{marks}</g>'


def _point_title(point: MapPoint) -> str:
    if point.kind == "class":
        return f"{point.name} (AudioSet)"
    return f"{point.name}: {point.df:,}"
