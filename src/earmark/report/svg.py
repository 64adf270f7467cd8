"""Plots as SVG inside the page, with its fonts, and its colors in light and in dark.

Matplotlib draws in stand-in colors; each is then replaced by a CSS variable of style.css. The
colors are Okabe and Ito's, which the color-blind can tell apart (jfly.uni-koeln.de/color, 2008).
Equal data gives equal bytes.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.typing import RcKeyType

INK, FAINT = "#010203", "#040506"
BLUE, ORANGE, GREEN, GREY = "#111213", "#141516", "#171819", "#1a1b1c"
"""Stand-ins for the page's series colours; each goes with a marker or dash of its own."""
VARIABLES = {
    INK: "currentColor",
    FAINT: "var(--faint)",
    BLUE: "var(--trained)",
    ORANGE: "var(--random)",
    GREEN: "var(--log-mel)",
    GREY: "var(--other)",
}
WIDTH_IN, HEIGHT_IN = 5.6, 3.4
SMALL_WIDTH_IN, SMALL_HEIGHT_IN = 3.4, 2.3
"""One of several small drawings, which the page lays side by side as far as it is wide."""
STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "earmark",
    "text.parse_math": False,
    "font.sans-serif": ["DejaVu Sans"],  # every text names all of them
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


@contextmanager
def svg_axes(
    name: str, title: str, height_in: float = HEIGHT_IN, width_in: float = WIDTH_IN
) -> Generator[tuple[Axes, Callable[[], str]]]:
    """Give axes to draw on; afterwards the callable returns the SVG."""
    with svg_panels(name, title, 1, height_in, width_in) as ((axes,), take):
        yield axes, take


@contextmanager
def svg_panels(
    name: str, title: str, panels: int, height_in: float = HEIGHT_IN, width_in: float = WIDTH_IN
) -> Generator[tuple[Sequence[Axes], Callable[[], str]]]:
    """Give axes one below the other over one x axis; afterwards the callable returns the SVG.

    `name` is the prefix of the drawing's ids, `title` is what it is called where it is not seen.
    """
    import matplotlib
    from matplotlib.figure import Figure

    done = list[str]()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # The reader's browser draws the text: a glyph that DejaVu lacks is no loss.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        every: list[Axes] = list(figure.subplots(panels, squeeze=False, sharex=True)[:, 0])
        for axes in every:
            axes.grid(visible=True)
            axes.set_axisbelow(True)
        yield every, lambda: done[0]
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    done.append(embed_svg(stream.getvalue(), name, title))


def draw_interval(
    axes: Axes, at: float, low: float, high: float, colour: str, *, width: float = 1.6
) -> None:
    """Draw the interval of a value that stands at `at` of the x axis."""
    axes.plot([at, at], [low, high], color=colour, linewidth=width)


def set_log_scale(axes: Axes, which: Literal["x", "y"], labelled: Sequence[int] = (1,)) -> None:
    """Make an axis logarithmic with plain numbers at `labelled` times the powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log") if which == "x" else axes.set_yscale("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=labelled))
    axis.set_major_formatter(FuncFormatter(_plain_number))
    axis.set_minor_formatter(NullFormatter())


def _plain_number(value: float, _: int | None) -> str:
    return f"{value:,g}"


def embed_svg(svg: str, name: str, title: str) -> str:
    """Turn matplotlib's SVG file into an element of the page, named by `title`.

    Ids get the prefix `name`, for a page holds several plots.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\n +", "\n", svg)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    found = re.search(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', svg)
    assert found, "matplotlib's SVG always has a viewBox"
    label = html.escape(title, quote=True)
    opening = f'<svg class="plot" viewBox="{found[1]}" role="img" aria-label="{label}">'
    svg = opening + svg[found.end() :]
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg
