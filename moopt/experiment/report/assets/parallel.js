// Parallel coordinates on a canvas, with ranges to select by pointer or keyboard.

const TOP = 44, BOTTOM = 24, DEEP = 300, NARROWEST = 74;

class Parallel {
  /**
   * axes: [{ name, values, flip, categories, note, log }], one value for each line; a missing value is null.
   * brushed: called after every change of `ranges`, which maps the number of an axis to [low, high] as heights in
   * [0, 1], 0 at the bottom.
   */
  constructor(root, axes, brushed) {
    this.root = root;
    this.ranges = new Map();
    this.brushed = brushed;
    this.axes = axes.map((axis) => scaled(axis));
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.svg = element("svg", { role: "group", "aria-label": "Axes; arrow keys select a range, Escape clears it" });
    root.replaceChildren(this.canvas, this.svg);
    this.layOut();
  }

  /** Places the axes in the width there is. */
  layOut() {
    const n = this.axes.length;
    const width = Math.max(this.root.clientWidth || 320, n * NARROWEST);
    this.gap = width / Math.max(1, n);
    this.x = this.axes.map((_, i) => (i + 0.5) * this.gap);
    this.size = [width, TOP + DEEP + BOTTOM];
    const ratio = window.devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = this.size.map((length) => Math.round(length * ratio));
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${this.size[1]}px`;
    this.canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("height", this.size[1]);
    this.svg.replaceChildren(...this.axes.map((axis, i) => this.drawAxis(axis, i)));
    this.showRanges();
  }

  drawAxis(axis, i) {
    const letters = Math.max(5, Math.floor(this.gap / 7));
    const group = element("g", { transform: `translate(${this.x[i]},0)`, tabindex: i ? "-1" : "0", role: "group" });
    const text = (y, content, more = {}) => element("text", { y, "text-anchor": "middle", ...more }, content);
    group.append(
      element("title", {}, axis.name + (axis.categories ? `: ${axis.categories.join(", ")}` : "")),
      text(13, short(axis.name, letters)), text(27, axis.note ?? "", { class: "end" }),
      element("line", { class: "rail", y1: TOP, y2: TOP + DEEP }),
      element("rect", { class: "brush", x: -7, width: 14, height: 0, visibility: "hidden" }),
    );
    const ends = axis.kinds ?? [[0, axis.ends[0]], [1, axis.ends[1]]];
    for (const [at, word] of ends) {
      const y = TOP + DEEP * (1 - at), beside = { class: "end", x: 9, "text-anchor": "start" };
      group.append(axis.kinds ? text(y + 4, short(word, letters - 2), beside) : text(at ? TOP - 4 : y + 15, word, { class: "end" }));
    }
    const grip = element("rect", { class: "grip", x: -Math.min(this.gap / 2, 18), width: Math.min(this.gap, 36), y: TOP - 8, height: DEEP + 16 });
    grip.addEventListener("pointerdown", (event) => this.drag(event, grip, i));
    group.append(grip);
    group.addEventListener("keydown", (event) => this.press(event, i));
    return group;
  }

  height(event) {
    const y = event.clientY - this.svg.getBoundingClientRect().top;
    return Math.min(1, Math.max(0, (TOP + DEEP - y) / DEEP));
  }

  /** A new range, or an old one moved; a click without a drag clears it. */
  drag(event, grip, i) {
    if (event.button) return;
    event.preventDefault();
    grip.setPointerCapture(event.pointerId);
    const start = this.height(event), old = this.ranges.get(i);
    const moves = old && start >= old[0] && start <= old[1];
    const move = (later) => {
      const now = this.height(later), by = now - start;
      if (Math.abs(by) * DEEP < 3) return;
      if (!moves) {
        this.set(i, [Math.min(start, now), Math.max(start, now)]);
      } else {
        const step = Math.min(1 - old[1], Math.max(-old[0], by));
        this.set(i, [old[0] + step, old[1] + step]);
      }
    };
    const end = (last) => {
      grip.removeEventListener("pointermove", move);
      if (Math.abs(this.height(last) - start) * DEEP < 3) this.set(i, null);
    };
    grip.addEventListener("pointermove", move);
    grip.addEventListener("pointerup", end, { once: true });
    grip.addEventListener("pointercancel", end, { once: true });
  }

  /** Up and down move a range (with Shift: its lower end), left and right go to the next axis. */
  press(event, i) {
    const [low, high] = this.ranges.get(i) ?? [0, 1];
    const step = { ArrowUp: 0.05, ArrowDown: -0.05 }[event.key];
    if (step) {
      if (event.shiftKey) this.set(i, [Math.min(high, Math.max(0, low + step)), high]);
      else this.set(i, [low, Math.max(low, Math.min(1, high + step))]);
    } else if (event.key === "Escape" || event.key === "Delete") {
      this.set(i, null);
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const groups = [...this.svg.querySelectorAll("g")];
      const next = groups[(i + (event.key === "ArrowLeft" ? groups.length - 1 : 1)) % groups.length];
      groups.forEach((group) => group.setAttribute("tabindex", group === next ? "0" : "-1"));
      next.focus();
    } else {
      return;
    }
    event.preventDefault();
  }

  set(i, range) {
    if (range) this.ranges.set(i, range);
    else this.ranges.delete(i);
    this.showRanges();
    this.brushed();
  }

  clear() {
    this.ranges.clear();
    this.showRanges();
  }

  showRanges() {
    [...this.svg.querySelectorAll("g")].forEach((group, i) => {
      const range = this.ranges.get(i), bar = group.querySelector(".brush"), axis = this.axes[i];
      bar.setAttribute("visibility", range ? "visible" : "hidden");
      bar.setAttribute("y", TOP + DEEP * (1 - (range?.[1] ?? 0)));
      bar.setAttribute("height", range ? Math.max(1, DEEP * (range[1] - range[0])) : 0);
      const limits = range ? `, selected ${digits(axis.value(range[0]))} to ${digits(axis.value(range[1]))}` : "";
      group.setAttribute("aria-label", `${axis.name}, ${axis.ends[0]} at the bottom, ${axis.ends[1]} at the top${limits}`);
    });
  }

  /** Whether a line is inside all ranges. */
  holds(line) {
    for (const [i, [low, high]] of this.ranges) {
      const at = this.axes[i].heights[line];
      if (at === null || at < low - 1e-9 || at > high + 1e-9) return false;
    }
    return true;
  }

  /** lines: numbers of those to draw; chosen[line]: whether it stands out, or null where nothing is selected. */
  draw(lines, colours, chosen) {
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, ...this.size);
    pen.lineWidth = 1;
    pen.lineJoin = "round";
    let highlighted = 0;
    const stroke = (line) => {
      pen.beginPath();
      let on = false;
      this.axes.forEach((axis, i) => {
        const at = axis.heights[line];
        if (at !== null) pen[on ? "lineTo" : "moveTo"](this.x[i], TOP + DEEP * (1 - at));
        on = at !== null;
      });
      pen.stroke();
    };
    const count = chosen ? lines.filter((line) => chosen[line]).length : lines.length;
    if (chosen) {
      pen.globalAlpha = 0.35;
      pen.strokeStyle = css("mute");
      for (const line of lines) if (!chosen[line]) stroke(line);
    }
    pen.globalAlpha = Math.max(0.2, Math.min(0.85, 100 / Math.max(1, count)));
    for (const line of lines) {
      if (chosen && !chosen[line]) continue;
      pen.strokeStyle = colours[line];
      stroke(line);
      highlighted += 1;
    }
    pen.globalAlpha = 1;
    this.root.dataset.highlighted = highlighted;
  }
}

/** An axis with the height in [0, 1] of each line; `log` where all values are positive. */
function scaled({ name, values, flip, categories, note, log }) {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  let low = categories ? 0 : known[0] ?? 0;
  let high = categories ? categories.length - 1 : known.at(-1) ?? 1;
  const logarithmic = log && !categories && low > 0;
  const ends = categories ? [short(categories[0] ?? "", 10), short(categories.at(-1) ?? "", 10)] : [digits(low, 3), digits(high, 3)];
  if (logarithmic) [low, high] = [Math.log10(low), Math.log10(high)];
  const height = (value) => {
    if (value === null) return null;
    const at = high > low ? ((logarithmic ? Math.log10(value) : value) - low) / (high - low) : 0.5;
    return flip ? 1 - at : at;
  };
  const kinds = categories && categories.length <= 12 ? categories.map((word, i) => [height(i), word]) : null;
  const value = (at) => {
    const inside = low + (flip ? 1 - at : at) * (high - low);
    return logarithmic ? 10 ** inside : inside;
  };
  return {
    name, categories, kinds, value, heights: values.map(height), ends: flip ? ends.toReversed() : ends,
    note: [note, logarithmic ? "log" : ""].filter(Boolean).join(" · "),
  };
}
