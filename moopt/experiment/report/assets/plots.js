// Figures by plotly.js.

const symbols = ["circle", "square", "diamond", "cross", "x", "circle-open", "square-open", "diamond-open"];
const dashes = ["solid", "dash", "dot"];
const symbol = (algorithm) => symbols[styles[algorithm].symbol];
const dash = (algorithm) => dashes[styles[algorithm].dash];
const coarse = matchMedia("(pointer: coarse)"); // a finger on a figure should scroll the page

// all buttons are named here, for some of the default ones would send the figure to a server
const buttons = {
  plain: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  flat: [["toImage", "select2d", "lasso2d", "zoom2d", "pan2d", "resetScale2d"]],
  solid: [["toImage", "orbitRotation", "zoom3d", "pan3d", "resetCameraDefault3d"]],
};
const settings = (kind) => ({
  displaylogo: false, responsive: true, displayModeBar: coarse.matches ? false : "hover", scrollZoom: false,
  modeBarButtons: buttons[kind], showSendToCloud: false, plotlyServerURL: "", toImageButtonOptions: { format: "svg" },
});

function axis(title, more = {}) {
  return {
    title: { text: title, font: { size: 12, color: css("soft") }, standoff: 8 }, automargin: true, zeroline: false,
    gridcolor: css("grid"), linecolor: css("line"), tickfont: { size: 11, color: css("soft") }, ...more,
  };
}

function layout(more = {}) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: css("ink") },
    margin: { l: 48, r: 12, t: 26, b: 40 }, dragmode: coarse.matches ? false : "zoom",
    hoverlabel: { bgcolor: css("raised"), bordercolor: css("line"), font: { color: css("ink") }, align: "left" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("soft"), activecolor: css("accent") },
    ...more,
  };
}

/** A horizontal axis of algorithms, the first one on top. */
function names(algorithms) {
  return axis("", {
    tickvals: algorithms.map((_, i) => i), ticktext: algorithms.map((a) => plain(short(styles[a].name))),
    range: [algorithms.length - 0.4, -0.6], gridcolor: "rgba(0,0,0,0)", tickfont: { size: 12, color: css("ink") },
  });
}

const visible = () => styles.map((_, i) => i).filter(shown);

function steadyHeight(target, rows, least = 12) {
  target.style.height = `${Math.max(least, 4 + 2 * rows)}rem`;
}

const figures = {
  scores(target) {
    const { scores } = rankings[target.dataset.ranking];
    const middles = (a) => scores[styles[a].name].middle[0] ?? -Infinity;
    const algorithms = visible().filter((a) => scores[styles[a].name]).sort((a, b) => middles(b) - middles(a));
    steadyHeight(target, algorithms.length, 18);
    const traces = algorithms.map((a, i) => {
      const { low: [low], middle: [middle], high: [high] } = scores[styles[a].name];
      return {
        x: [middle], y: [i], mode: "markers", marker: { color: colour(a), symbol: symbol(a), size: 11 },
        error_x: { type: "data", symmetric: false, array: [high - middle], arrayminus: [middle - low], thickness: 3, width: 0, color: colour(a) },
        text: [`${plain(styles[a].name)}<br>${digits(middle)} [${digits(low)}, ${digits(high)}]`],
        hovertemplate: "%{text}<extra></extra>",
      };
    });
    return [traces, layout({ xaxis: axis("score"), yaxis: names(algorithms), margin: { l: 10, r: 16, t: 26, b: 40 } })];
  },

  profiles(target) {
    const { profiles } = rankings[target.dataset.ranking];
    steadyHeight(target, visible().length, 18);
    const traces = visible().filter((a) => profiles[styles[a].name]).flatMap((a) => {
      const { tau, share, low, high } = profiles[styles[a].name];
      return lineWithBand(a, tau, share, low, high, (i) => `above ${digits(tau[i], 3)}: ${digits(100 * share[i], 3)} %`);
    });
    return [traces, layout({
      xaxis: axis("threshold"), yaxis: axis("share of runs above it", { tickformat: ".0%", rangemode: "tozero" }),
    })];
  },

  seconds(target) {
    const algorithms = visible().filter((a) => study.seconds[a].some((value) => value !== null));
    steadyHeight(target, algorithms.length, 14);
    const traces = algorithms.flatMap((a, i) => {
      const known = study.seconds[a].map((value, p) => [value, p]).filter(([value]) => value !== null);
      const values = known.map(([value]) => value).sort((one, two) => one - two);
      const half = values.length / 2;
      const middle = (values[Math.ceil(half) - 1] + values[Math.floor(half)]) / 2;
      return [
        { x: [middle, middle], y: [i - 0.3, i + 0.3], mode: "lines", line: { color: colour(a), width: 3 }, hoverinfo: "skip" },
        {
          x: known.map(([value]) => value), y: known.map(() => i), mode: "markers",
          marker: { color: colour(a), symbol: symbol(a), size: 8, opacity: 0.75 },
          text: known.map(([value, p]) => `${plain(styles[a].name)}<br>${plain(study.problems[p])}: ${digits(value, 3)} s`),
          hovertemplate: "%{text}<extra></extra>",
        },
      ];
    });
    const spread = study.seconds.flat().filter((value) => value > 0);
    const wide = spread.length > 0 && Math.max(...spread) > 20 * Math.min(...spread);
    return [traces, layout({
      xaxis: axis("seconds a run", wide ? { type: "log", dtick: 1 } : { rangemode: "tozero" }), yaxis: names(algorithms),
      margin: { l: 10, r: 16, t: 26, b: 40 },
    })];
  },

  convergence(target) {
    const lines = current.data.convergence[indicatorName()];
    const traces = visible().filter((a) => lines[a]?.x).flatMap((a) => {
      const { x, middle, low, high } = lines[a];
      return lineWithBand(a, x, middle, low, high, (i) => `${digits(100 * x[i], 3)} % of the budget: ${digits(middle[i])}`);
    });
    target.setAttribute("aria-label", `Convergence of the ${title()} on ${current.name}`);
    return [traces, layout({
      xaxis: axis("share of the budget", { tickformat: ".0%", range: [0, 1.02] }),
      yaxis: axis(plain(title()), byId("logarithmic").checked ? { type: "log" } : {}),
    })];
  },

  final(target) {
    const values = current.data.final[indicatorName()];
    const algorithms = visible().filter((a) => values[a].some((value) => value !== null));
    const traces = algorithms.map((a, i) => ({
      type: "box", orientation: "h", x: values[a], y: values[a].map(() => i), width: 0.55, boxpoints: "all", jitter: 0.6,
      pointpos: 0, marker: { color: colour(a), symbol: symbol(a), size: 5, opacity: 0.7 }, line: { color: colour(a), width: 1.5 },
      fillcolor: faded(colour(a), 0.12), name: plain(styles[a].name), hoverinfo: "x+name",
    }));
    target.setAttribute("aria-label", `Final values of the ${title()} on ${current.name}`);
    return [traces, layout({
      yaxis: names(algorithms), margin: { l: 10, r: 16, t: 26, b: 40 },
      xaxis: axis(plain(title()), byId("logarithmic").checked ? { type: "log" } : {}),
    })];
  },
};

/** A line with the area between two others behind it. */
function lineWithBand(a, x, middle, low, high, tell) {
  const inside = x.map((_, i) => i).filter((i) => low[i] !== null && high[i] !== null);
  const around = [...inside, ...inside.toReversed()];
  return [
    {
      x: around.map((i) => x[i]), y: around.map((i, k) => (k < inside.length ? high[i] : low[i])), mode: "lines",
      line: { width: 0 }, fill: "toself", fillcolor: faded(colour(a), 0.14), hoverinfo: "skip",
    },
    {
      x, y: middle, mode: x.length === 1 ? "markers" : "lines", line: { color: colour(a), width: 2, dash: dash(a) },
      marker: { color: colour(a), symbol: symbol(a), size: 8 },
      text: x.map((_, i) => `${plain(styles[a].name)}<br>${tell(i)}`), hovertemplate: "%{text}<extra></extra>",
    },
  ];
}

/** Draws a figure, or says in its place why it cannot. */
async function draw(target, make, kind = "plain") {
  try {
    const engine = await library();
    const [traces, form] = make(target);
    target.querySelector(".waiting")?.remove();
    if (traces.length) {
      await engine.react(target, traces, form, settings(kind));
    } else {
      engine.purge(target);
      target.replaceChildren(element("p", { class: "waiting" }, "Nothing to show."));
    }
  } catch (error) {
    target.replaceChildren(element("p", { class: "waiting" }, `No figure: ${error.message}`));
  }
}

/** Figures that need no choice of a problem, as soon as they are seen. */
function startFigures() {
  for (const target of document.querySelectorAll(".plot[data-plot]")) {
    const make = figures[target.dataset.plot];
    const ofProblem = target.closest("#problems") !== null;
    whenSeen(target, () => {
      const again = () => (ofProblem && !current.data ? null : draw(target, make));
      if (ofProblem) current.draws.add(again);
      redraws.add(again);
      again();
    });
  }
}
