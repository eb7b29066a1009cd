// What the page knows, and small tools that every other part needs.

const byId = (id) => document.getElementById(id);
const parsed = (id) => JSON.parse(byId(id).textContent);
const study = parsed("data");
const styles = parsed("styles");
const rankings = parsed("rankings");
const hidden = new Set(); // algorithms that the reader has switched off
const shown = (algorithm) => !hidden.has(algorithm);

/** The text behind base64 of a deflated string. */
async function inflated(id) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("the figures need a browser of 2023 or later");
  }
  const bytes = Uint8Array.from(atob(byId(id).textContent.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

const unpacked = new Map();
/** The JSON in a packed element, unpacked once. */
function unpack(id) {
  if (!unpacked.has(id)) unpacked.set(id, inflated(id).then(JSON.parse));
  return unpacked.get(id);
}

let plotly = null;
/** The plotting library; its source becomes a script when the first figure comes into view. */
function library() {
  plotly ??= inflated("plotly").then((source) => {
    const script = document.createElement("script");
    script.textContent = source;
    document.head.append(script);
    if (!window.Plotly) throw new Error("the plotting library did not start");
    return window.Plotly;
  });
  return plotly;
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const colour = (algorithm) => css(`c${styles[algorithm].colour}`);

/** A colour #rrggbb with an opacity. */
function faded(hex, opacity) {
  const part = (i) => parseInt(hex.slice(i, i + 2), 16);
  return `rgba(${part(1)},${part(3)},${part(5)},${opacity})`;
}

/** Text as the plotting library shows it unchanged: it reads a few HTML tags (and %{...}, only in templates). */
function plain(text) {
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  return String(text).replace(/[&<>]/g, (sign) => entities[sign]);
}
const short = (text, letters = 18) => (text.length > letters ? `${text.slice(0, letters - 1)}…` : text);

/** A number in four digits, with an exponent only where it needs one. */
function digits(value, n = 4) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  return size >= -4 && size < 6 ? String(Number(value.toPrecision(Math.max(n, size + 1)))) : value.toExponential(n - 1);
}

function element(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "line", "rect", "text", "title"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** What is drawn again after a change of the theme or of the algorithms shown. */
const redraws = new Set();
const redraw = () => redraws.forEach((draw) => draw());

const unseen = new Set(); // starts that wait until their element is seen
/** Calls `start` once, when an element is about to come into view, or when the page is printed. */
function whenSeen(target, start) {
  const once = () => {
    watch.disconnect();
    if (unseen.delete(once)) start();
  };
  const watch = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) once();
  }, { rootMargin: "300px" });
  unseen.add(once);
  watch.observe(target);
}

/** At most once for each picture that the screen shows. */
function eased(action) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; action(); });
  };
}

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not every browser lets a local file do that
    const area = element("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}

/** A row of CSV, quoted where it must be. */
const csvRow = (cells) =>
  cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : cell ?? "")).join(",");
