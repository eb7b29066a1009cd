// One problem: its fronts in linked views, convergence, final values.

const ROWS = 200; // of the table of selected points

/** The problem on show. `points`: a record for each point of all fronts; `draws`: what follows a change of problem. */
const current = { number: 0, name: "", data: null, points: [], picked: null, draws: new Set(), views: {} };
const indicatorName = () => study.indicators[byId("indicator")?.value ?? 0];
const title = () => study.titles[byId("indicator")?.value ?? 0];

/** Shows a problem once its data are unpacked, unless another one was chosen meanwhile. */
async function choose(number) {
  current.number = number;
  try {
    const data = await unpack(`problem-${number}`);
    if (current.number !== number) return;
    show(data);
    current.draws.forEach((again) => again());
  } catch (error) {
    byId("front-note").textContent = `No figures: ${error.message}`;
  }
}

function show(data) {
  Object.assign(current, { data, name: study.problems[current.number], picked: null });
  byId("problem").value = current.number;
  byId("problem-title").textContent = current.name;
  current.points = data.fronts.flatMap(({ algorithm, seed, objectives, values }) =>
    (objectives[0] ?? []).map((_, i) => ({
      algorithm, seed, objectives: objectives.map((column) => column[i]), values: values.map((column) => column[i]),
    })));
  suggestScale();
  const some = current.points.length > 0;
  byId("fronts").hidden = !some;
  if (some) showFronts(data);
  describe(data);
}

function describe({ objectives, variables, fronts }) {
  const many = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const senses = objectives.map(([name, sense]) => `${name} (${sense})`).join(", ");
  byId("problem-note").textContent = objectives.length
    ? `${many(objectives.length, "objective")}: ${senses}; ${many(variables.length, "variable")}.`
    : "Nothing is known of this problem yet.";
  const found = fronts.reduce((sum, front) => sum + front.found, 0);
  const thinned = found > current.points.length ? ` ${current.points.length} of ${found} points are drawn, spread evenly.` : "";
  const seeds = fronts.length > 8 // too many to read in a sentence
    ? ["in the tips and in the table of selected points"]
    : fronts.map(({ algorithm, seed }) => (styles.length > 1 ? `${styles[algorithm].name} ${seed}` : seed));
  const plot = isSolid() ? ", or click on a point," : coarse.matches ? "" : " or in the scatter plot";
  const how = `Drag along an axis${plot} to select points in all views.`;
  byId("front-note").textContent = `${styles.length > 1 ? "Seeds: " : "Seed "}${seeds.join(", ")}.${thinned} ${how}`;
}

/** Logarithmic where smaller is better and the values span two powers of ten. */
function suggestScale() {
  const name = indicatorName();
  if (name === undefined) return;
  const lines = current.data.convergence[name].flatMap((line) => line.middle ?? []);
  const values = [...lines, ...current.data.final[name].flat()].filter((value) => value !== null);
  const least = values.reduce((a, b) => Math.min(a, b), Infinity), most = values.reduce((a, b) => Math.max(a, b), 0);
  byId("logarithmic").checked = !study.larger[study.indicators.indexOf(name)] && least > 0 && most / least > 100;
}

// fronts

function showFronts({ objectives, variables, constraints }) {
  const m = objectives.length;
  const column = (i) => current.points.map((point) => point.objectives[i]);
  byId("objectives-figure").hidden = m < 2;
  byId("variables-figure").hidden = !variables.length;
  byId("front-columns").classList.toggle("columns", m < 7);
  current.views.objectives = new Parallel(byId("objectives"), objectives.map(([name, sense], i) =>
    ({ name, values: column(i), flip: sense === "max", note: sense })), refresh);
  showVariables();
  const heads = ["algorithm", "seed", ...objectives.map(([name]) => name), ...variables.map(({ name }) => name), ...constraints];
  const row = element("tr");
  heads.forEach((head) => row.append(element("th", { scope: "col" }, head)));
  byId("selection").replaceChildren(element("thead", {}, row), element("tbody"));
  frontControls(m, objectives);
  drawScatter();
  refresh();
}

const hasSpace = () => Boolean(document.createElement("canvas").getContext("webgl"));

function showVariables() {
  const log = byId("log-variables").checked;
  current.views.variables = new Parallel(byId("variables"), current.data.variables.map(({ name, categories }, i) =>
    ({ name, categories, log, values: current.points.map((point) => point.values[i]) })), refresh);
}

function frontControls(m, objectives) {
  const box = byId("front-controls");
  const check = (id, label) => element("label", {}, element("input", { type: "checkbox", id, checked: "" }), ` ${label}`);
  const options = () => objectives.map(([name], i) => element("option", { value: i }, name));
  box.replaceChildren();
  if (m === 2) box.append(check("show-points", "points"), check("show-surfaces", "attainment surfaces"));
  if (m === 3 && hasSpace()) box.append(element("label", {}, "View ", element("select", { id: "view" }, element("option", { value: "solid" }, "three objectives"), element("option", { value: "flat" }, "two of them"))));
  if (m > 2) {
    const [across, up] = ["across", "up"].map((id) => element("select", { id }, ...options()));
    up.value = 1;
    box.append(element("label", {}, "across ", across), element("label", {}, "up ", up));
  }
  box.onchange = () => {
    describe(current.data);
    drawScatter();
  };
}

const isSolid = () => current.data.objectives.length === 3 && byId("view")?.value === "solid";

let drawing = Promise.resolve(); // one picture after the other
function drawScatter() {
  drawing = drawing.then(drawScatterNow);
}

async function drawScatterNow() {
  const target = byId("scatter"), m = current.data.objectives.length;
  for (const id of ["across", "up"]) if (byId(id)) byId(id).parentElement.hidden = isSolid();
  byId("scatter-note").textContent = m === 2 && byId("show-surfaces").checked
    ? "Line: what half of the runs attain. Band: from a quarter to three quarters of the runs. Grey: reference front."
    : m > 3 ? "Two of the objectives." : "Grey: reference front.";
  if (!current.data.reference?.length) byId("scatter-note").textContent = byId("scatter-note").textContent.replace(/ ?Grey: reference front\./, "");
  target.setAttribute("aria-label", `Fronts on ${current.name}: ${current.points.length} points`);
  const kind = isSolid() ? "solid" : "flat";
  if (target.dataset.kind && target.dataset.kind !== kind) { // the other kind has other buttons, and forgets who listens
    window.Plotly?.purge(target);
    delete target.dataset.heard;
  }
  target.dataset.kind = kind;
  await draw(target, isSolid() ? solid : flat, kind);
  listen(target);
  highlightScatter();
}

/** Points of one algorithm as columns, with their numbers. */
function pointsOf(algorithm) {
  return current.points.map((point, i) => i).filter((i) => current.points[i].algorithm === algorithm);
}

const label = ([name, sense]) => `${plain(name)} (${sense})`;

function told(i) {
  const { algorithm, seed, objectives } = current.points[i];
  const values = objectives.map((value, k) => `${plain(current.data.objectives[k][0])} ${digits(value)}`).join("<br>");
  return `${plain(styles[algorithm].name)}, seed ${seed}<br>${values}`;
}

function flat() {
  const { objectives, reference, attainment } = current.data;
  const [across, up] = objectives.length === 2 ? [0, 1] : [byId("across"), byId("up")].map((box) => Number(box.value));
  const one = objectives.length === 1;
  const traces = [];
  if (reference?.length) {
    traces.push({
      x: reference[across], y: one ? reference[0].map(() => 0) : reference[up], mode: "markers", hoverinfo: "skip",
      marker: { color: css("reference"), size: 3.5 },
    });
  }
  if (attainment && byId("show-surfaces").checked) traces.push(...surfaces(attainment));
  if (byId("show-points")?.checked ?? true) {
    for (const a of visible()) {
      const places = pointsOf(a);
      if (!places.length) continue;
      traces.push({
        x: places.map((i) => current.points[i].objectives[across]), mode: "markers", customdata: places,
        y: places.map((i) => (one ? 0 : current.points[i].objectives[up])),
        marker: { color: colour(a), symbol: symbol(a), size: current.points.length > 600 ? 5.5 : 7, opacity: 0.85, line: { color: symbol(a).includes("open") ? colour(a) : css("page"), width: symbol(a).includes("open") ? 1.5 : 0.5 } },
        selected: { marker: { opacity: 1 } }, unselected: { marker: { opacity: 0.1 } },
        text: places.map(told), hovertemplate: "%{text}<extra></extra>",
      });
    }
  }
  return [traces, layout({
    dragmode: coarse.matches ? false : "select", xaxis: axis(label(objectives[across])),
    yaxis: one ? axis("", { showticklabels: false, range: [-1, 1] }) : axis(label(objectives[up])),
    uirevision: `${current.number} ${across} ${up}`, selections: [], newselection: { line: { color: css("accent") } },
  })];
}

/** Staircases between corners, minimised, then turned to the reader's sign. */
function surfaces(attainment) {
  const signs = current.data.objectives.map(([, sense]) => (sense === "max" ? -1 : 1));
  const corners = attainment.filter(({ algorithm, worst }) => shown(algorithm) && worst);
  const edges = [0, 1].map((k) => {
    const values = corners.flatMap(({ best, worst }) => [...best[k], ...worst[k]]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return high + 0.04 * (high - low || 1);
  });
  const stairs = ([xs, ys]) => {
    const path = xs.flatMap((x, i) => [[x, i ? ys[i - 1] : Math.max(edges[1], ys[0])], [x, ys[i]]]);
    path.push([Math.max(edges[0], xs.at(-1)), ys.at(-1)]);
    return path.map(([x, y]) => [signs[0] * x, signs[1] * y]);
  };
  const trace = (path, more) => ({ x: path.map(([x]) => x), y: path.map(([, y]) => y), mode: "lines", hoverinfo: "skip", ...more });
  return corners.flatMap(({ algorithm: a, runs, best, middle, worst }) => [
    trace([...stairs(best), ...stairs(worst).reverse()], { line: { width: 0 }, fill: "toself", fillcolor: faded(colour(a), 0.15) }),
    trace(stairs(middle), {
      line: { color: colour(a), width: 1.6, dash: dash(a) }, hoverinfo: "text",
      text: `${plain(styles[a].name)}: attained by half of ${runs} runs`,
    }),
  ]);
}

/** A title in three dimensions, where tags are read but entities are not. */
const inSpace = ([name, sense]) => `${name.replaceAll("<", "‹").replaceAll(">", "›")} (${sense})`;

/** Crosses are drawn thin there, and need more room to be as visible as the others. */
const sizeInSpace = (algorithm) => ({ cross: 7, x: 6 })[symbol(algorithm)] ?? 3.5;

function solid() {
  const { objectives, reference } = current.data;
  const traces = [];
  if (reference?.length) {
    const [x, y, z] = reference;
    traces.push({ type: "scatter3d", x, y, z, mode: "markers", hoverinfo: "skip", marker: { color: css("reference"), size: 1.5 } });
  }
  for (const a of visible()) {
    const places = pointsOf(a);
    if (!places.length) continue;
    const [x, y, z] = [0, 1, 2].map((k) => places.map((i) => current.points[i].objectives[k]));
    traces.push({
      type: "scatter3d", x, y, z, mode: "markers", customdata: places, text: places.map(told),
      hovertemplate: "%{text}<extra></extra>", marker: { color: places.map(() => colour(a)), symbol: symbol(a), size: sizeInSpace(a), line: { width: 0 } },
    });
  }
  const side = (i) => ({
    title: { text: inSpace(objectives[i]), font: { size: 12, color: css("soft") } }, gridcolor: css("line"), zeroline: false,
    tickfont: { size: 10, color: css("soft") }, showbackground: false, linecolor: css("line"), showspikes: false, nticks: 5,
  });
  return [traces, layout({
    margin: { l: 0, r: 0, t: 0, b: 0 }, dragmode: coarse.matches ? false : "orbit", uirevision: `${current.number} solid`,
    scene: {
      xaxis: side(0), yaxis: side(1), zaxis: side(2), camera: { eye: { x: 1.6, y: 1.4, z: 0.92 }, center: { x: 0, y: 0, z: -0.1 } },
      aspectmode: "cube",
    },
  })];
}

/** Selecting in the scatter plot. */
function listen(target) {
  if (!target.on || target.dataset.heard) return;
  target.dataset.heard = "true";
  target.on("plotly_selected", (event) => {
    if (!event?.points || isSolid()) return;
    const picked = event.points.map((point) => point.customdata).filter((i) => i !== undefined);
    current.picked = picked.length ? new Set(picked) : null;
    refresh();
  });
  target.on("plotly_deselect", () => { current.picked = null; refresh(); });
  target.on("plotly_click", (event) => {
    const i = event.points[0]?.customdata;
    if (i === undefined) return;
    current.picked = current.picked?.size === 1 && current.picked.has(i) ? null : new Set([i]);
    refresh();
  });
}

// what is selected

function selection() {
  const { objectives, variables } = current.views;
  const drawn = current.points.map((_, i) => i).filter((i) => shown(current.points[i].algorithm));
  const active = current.picked !== null || objectives.ranges.size > 0 || variables.ranges.size > 0;
  const chosen = current.points.map((_, i) => (current.picked?.has(i) ?? true) && objectives.holds(i) && variables.holds(i));
  return { drawn, active, chosen, places: drawn.filter((i) => chosen[i]) };
}

const refresh = eased(() => {
  if (!current.points.length) return;
  const { drawn, active, chosen, places } = selection();
  const paints = styles.map((_, a) => colour(a));
  const colours = current.points.map((point) => paints[point.algorithm]);
  for (const view of Object.values(current.views)) view.draw(drawn, colours, active ? chosen : null);
  highlightScatter();
  byId("selected").textContent = active ? `${places.length} of ${drawn.length} points selected` : `${drawn.length} points, none selected`;
  byId("clear").disabled = byId("copy-selected").disabled = !active;
  byId("selection-box").hidden = !active || !places.length;
  const rows = active ? places.slice(0, ROWS).map(rowOf) : [];
  if (places.length > ROWS && active) rows.push(["…", `${places.length - ROWS} more in the CSV`]);
  byId("selection").tBodies[0]?.replaceChildren(...rows.map((cells) => {
    const row = element("tr");
    cells.forEach((cell, i) => row.append(element(i ? "td" : "th", i ? {} : { scope: "row" }, cell)));
    return row;
  }));
});

/** A point as a row of text. */
function rowOf(i) {
  const { algorithm, seed, objectives, values } = current.points[i];
  const kinds = current.data.variables;
  const named = values.map((value, k) => (kinds[k]?.categories && value !== null ? kinds[k].categories[value] : value));
  return [styles[algorithm].name, seed, ...objectives, ...named].map((cell) => (typeof cell === "number" ? String(cell) : cell ?? ""));
}

/** Shows the selection in the scatter plot, whichever kind it is. */
function highlightScatter() {
  const target = byId("scatter");
  if (!target.data || !window.Plotly) return;
  const { active, chosen } = selection();
  const traces = target.data.map((trace, k) => k).filter((k) => target.data[k].customdata);
  if (!traces.length) return;
  if (isSolid()) {
    const each = (is, isNot) => traces.map((k) => target.data[k].customdata.map((i) => (active && !chosen[i] ? isNot : is(i))));
    const colours = each((i) => colour(current.points[i].algorithm), css("mute"));
    window.Plotly.restyle(target, { "marker.color": colours, "marker.size": each((i) => sizeInSpace(current.points[i].algorithm), 1.5) }, traces);
  } else {
    const selected = traces.map((k) => {
      const places = target.data[k].customdata;
      return active ? places.map((_, j) => j).filter((j) => chosen[places[j]]) : null;
    });
    window.Plotly.restyle(target, { selectedpoints: selected }, traces);
  }
}

function clearSelection() {
  current.picked = null;
  Object.values(current.views).forEach((view) => view.clear());
  const target = byId("scatter");
  if (target.layout?.selections?.length) window.Plotly.relayout(target, { selections: [] });
  refresh();
}

function selectedAsCsv() {
  const heads = [...byId("selection").tHead.rows[0].cells].map((cell) => cell.textContent);
  return [heads, ...selection().places.map(rowOf)].map(csvRow).join("\n") + "\n";
}

/** The choice of a problem, and what goes with it. */
function startProblems() {
  const box = byId("problem"), n = study.problems.length;
  box.onchange = () => { choose(Number(box.value)); };
  if (byId("next")) {
    byId("next").onclick = () => choose((current.number + 1) % n);
    byId("previous").onclick = () => choose((current.number + n - 1) % n);
  }
  if (byId("search")) {
    const options = [...box.options];
    byId("search").oninput = (event) => {
      const wanted = event.target.value.trim().toLowerCase();
      const fitting = options.filter((option) => option.textContent.toLowerCase().includes(wanted));
      box.replaceChildren(...(fitting.length ? fitting : options));
      event.target.setAttribute("aria-invalid", String(!fitting.length));
      const here = fitting.find((option) => Number(option.value) === current.number) ?? fitting[0];
      if (here && Number(here.value) !== current.number) choose(Number(here.value));
      if (here) box.value = here.value;
    };
  }
  if (byId("indicator")) byId("indicator").onchange = () => { suggestScale(); again(); };
  byId("logarithmic").onchange = () => again();
  byId("log-variables").onchange = () => {
    showVariables();
    refresh();
  };
  byId("clear").onclick = clearSelection;
  byId("copy-selected").onclick = (event) => copy(selectedAsCsv(), event.currentTarget);
  const again = () => current.draws.forEach((make) => make());
  redraws.add(() => {
    if (!current.points.length) return;
    drawScatter();
    refresh();
  });
  let width = window.innerWidth;
  window.addEventListener("resize", eased(() => {
    if (window.innerWidth === width || !current.points.length) return; // a phone's bars come and go while it scrolls
    width = window.innerWidth;
    Object.values(current.views).forEach((view) => view.layOut());
    refresh();
  }));
  whenSeen(byId("problems"), () => choose(current.number));
}
