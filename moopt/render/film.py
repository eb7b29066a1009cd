"""Films and plots of one episode: their text, their files."""

from __future__ import annotations

import importlib
import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moopt.core import checks
from moopt.core.checks import InputError, MissingPackage
from moopt.storage.files import write_atomic

if TYPE_CHECKING:
    from PIL.Image import Image

    from moopt.render.trajectory import Trajectory

MOST_FPS = {".gif": 50.0, ".webp": 120.0, ".png": 120.0, ".mp4": 120.0}  # browsers slow a GIF above that down
PALETTE = 64  # colours of a GIF: five seconds of six robots take 0.1 to 2.0 MB, with 128 up to 2.6
SAMPLES = 8  # frames that its palette is made of
LETTERS = 13, 11  # pixels, in the first line of a banner and in the others
SPACING, EDGE = 1.35, 6  # of lines, in letters; of text, in pixels
INK, BAND = (255, 255, 255), (24, 26, 30)


def check_film(path: Path, size: tuple[int, int], fps: float) -> None:
    """Raises ValueError or ImportError for a film that cannot be written."""
    ending = path.suffix.lower()
    if ending not in MOST_FPS:
        raise InputError(f"{path}: expected a name that ends in {', '.join(MOST_FPS)}, got {ending or 'no ending'!r}")
    checks.number(f"fps of {ending}", fps, 1.0, MOST_FPS[ending])
    for name, pixels in zip(("width", "height"), size, strict=True):
        if checks.whole(name, pixels, 64, 4096) % 2 and ending == ".mp4":
            raise InputError(f"{name}: expected an even number of pixels for .mp4, got {pixels}")
    if ending == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise MissingPackage(f"{path}: expected imageio-ffmpeg for .mp4, install it with pip install imageio-ffmpeg")


def number(value: float) -> str:
    """Four digits, without an exponent where that reads well."""
    return f"{float(f'{value:.4g}'):,.12g}"


def banner(lines: Sequence[str], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Lines of text, broken where they are too long, for the top of a film of `size`: uint8[at most half, width, 3]."""
    from PIL import Image, ImageDraw, ImageFont

    rows: list[tuple[str, Any]] = []
    for i, line in enumerate(lines):
        font = ImageFont.load_default(LETTERS[min(i, 1)])
        row = ""
        for word in line.split(" "):
            longer = f"{row} {word}".strip()
            if row and font.getlength(longer) > size[0] - 2 * EDGE:
                rows.append((row, font))
                longer = word
            row = longer
        rows.append((row, font))
    heights = [round(font.size * SPACING) for _, font in rows]
    picture = Image.new("RGB", (size[0], min(size[1] // 2, sum(heights) + EDGE)), BAND)
    draw, top = ImageDraw.Draw(picture), EDGE // 2
    for (row, font), height in zip(rows, heights, strict=True):
        draw.text((EDGE, top), row, INK, font)
        top += height
    return np.asarray(picture)


def write_film(path: Path, frames: NDArray[np.uint8], fps: float) -> None:
    """Writes frames uint8[k, h, w, 3] as what the ending of `path` says; all but .mp4 go round and round.

    Raises OSError.
    """
    from PIL import Image

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ending = path.suffix.lower()
        if ending == ".mp4":
            _write_mp4(path, frames, fps)
            return
        pictures = [Image.fromarray(frame) for frame in frames]
        tick = 10 if ending == ".gif" else 1  # milliseconds that the format counts in
        ends = np.round(np.arange(len(frames) + 1) * 1000 / fps / tick).astype(int) * tick
        options: dict[str, Any] = {"duration": np.diff(ends).tolist(), "loop": 0}
        if ending == ".gif":
            pictures = _few_colours(pictures)
        if ending == ".webp":
            options |= {"quality": 80, "method": 4}
        data = io.BytesIO()
        first, *rest = pictures
        kind = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}[ending]
        first.save(data, kind, save_all=True, append_images=rest, **options)
        write_atomic(path, data.getvalue())
    except OSError as error:
        raise OSError(f"{path}: expected a file that can be written, got: {error.strerror or error}") from None


def _few_colours(pictures: Sequence[Image]) -> list[Image]:
    """Pictures of one palette, that of some of them; without dithering, which would shimmer and not compress."""
    from PIL import Image

    width, height = pictures[0].size
    some = pictures[:: max(1, len(pictures) // SAMPLES)]
    sheet = Image.new("RGB", (width, height * len(some)))
    for i, picture in enumerate(some):
        sheet.paste(picture, (0, i * height))
    # the step of k-means brings back the colours of what is small, which the median cut leaves out
    palette = sheet.quantize(PALETTE, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
    return [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]


def _write_mp4(path: Path, frames: NDArray[np.uint8], fps: float) -> None:
    ffmpeg: Any = importlib.import_module("imageio_ffmpeg")
    height, width = frames.shape[1:3]
    writer = ffmpeg.write_frames(str(path), (width, height), fps=fps, macro_block_size=2, quality=7)
    writer.send(None)
    try:
        for frame in frames:
            writer.send(np.ascontiguousarray(frame))
    finally:
        writer.close()


def plot_trajectory(
    path: Path, lived: Trajectory, labels: Sequence[str], title: str, caption: Sequence[str]
) -> None:
    """A plot of positions, joint angles and rewards over time, as PNG; `labels`: names of the objectives.

    Raises OSError.
    """
    import matplotlib
    from cycler import cycler
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from moopt.render.plots import COLOURS, FAINT, STYLE

    panels = [*_coordinates(lived), ("reward of a step", list(labels), lived.rewards.numpy())]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 0.9 + 2.2 * len(panels)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = np.atleast_1d(np.asarray(figure.subplots(len(panels), sharex=True)))
        for axis, (what, names, values) in zip(axes, panels, strict=True):
            axis.set_prop_cycle(cycler(linestyle=["-", "--", ":"]) * cycler(color=COLOURS))
            first = 0 if len(values) == len(lived.qpos) else 1
            time = (np.arange(len(values)) + first) * lived.dt
            for name, column in zip(names, values.T, strict=True):
                axis.plot(time, column, linewidth=1.2, label=name)
            axis.set_ylabel(what)
            axis.grid(color="#EEEEEE", linewidth=0.8)
            axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7.5, ncols=1 + len(names) // 12)
        axes[-1].set_xlabel("seconds")
        figure.suptitle(title, weight="bold", fontsize=13)
        axes[0].set_title("\n".join(caption), fontsize=9, color=FAINT)
        data = io.BytesIO()
        figure.savefig(data, dpi=150, format="png", metadata={"Software": "moopt"})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data.getvalue())
    except OSError as error:
        raise OSError(f"{path}: expected a file that can be written, got: {error.strerror or error}") from None


def _coordinates(lived: Trajectory) -> list[tuple[str, list[str], NDArray[Any]]]:
    """Lengths and angles of the joints: what they are, their names, their values [T + 1, k]."""
    import mujoco

    model, qpos = lived.model, lived.qpos.numpy()
    found: dict[str, dict[str, NDArray[Any]]] = {"position (m)": {}, "joint angle (rad)": {}}
    for i in range(model.njnt):
        joint, at, kind = model.joint(i), int(model.jnt_qposadr[i]), int(model.jnt_type[i])
        name = joint.name or f"joint {i}"
        if kind == mujoco.mjtJoint.mjJNT_FREE:
            found["position (m)"] |= {f"{name} {axis}": qpos[:, at + j] for j, axis in enumerate("xyz")}
        elif kind == mujoco.mjtJoint.mjJNT_SLIDE:
            found["position (m)"][name] = qpos[:, at]
        elif kind == mujoco.mjtJoint.mjJNT_HINGE:
            found["joint angle (rad)"][name] = qpos[:, at]
    return [(what, list(columns), np.stack(list(columns.values()), 1)) for what, columns in found.items() if columns]
