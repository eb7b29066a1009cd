// Tables, tips, themes, copying, and the page that follows a study.

/** Sorts by a column: ascending, descending, as it was. Numbers by value, missing ones last. */
function startSorting() {
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0], original = [...body.rows];
    table.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("th");
      if (!head || !event.target.closest("button")) return;
      const next = { none: "ascending", ascending: "descending", descending: "none" }[head.ariaSort ?? "none"];
      for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", other === head ? next : "none");
      const value = (row) => {
        const { value: text } = row.cells[head.cellIndex].dataset;
        return text === "" || text === "nan" ? null : Number(text);
      };
      const turn = next === "descending" ? -1 : 1;
      const compare = (a, b) => {
        const [one, two] = [value(a), value(b)];
        if (one === null || two === null) return (one === null) - (two === null);
        return turn * (one - two);
      };
      const byName = (a, b) => turn * a.cells[0].textContent.localeCompare(b.cells[0].textContent, undefined, { numeric: true });
      const sorted = next === "none" ? original : original.toSorted(head.cellIndex ? compare : byName);
      body.append(...sorted);
    });
  }
}

/** One tip for all cells: by mouse, or by a tap. */
function startTips() {
  const tip = element("div", { class: "tip", role: "tooltip" });
  tip.hidden = true;
  document.body.append(tip);
  const over = (event) => {
    const cell = event.target.closest?.("[data-tip]");
    tip.hidden = !cell;
    if (!cell) return;
    tip.textContent = cell.dataset.tip;
    const place = cell.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const left = Math.min(window.innerWidth - size.width - 8, Math.max(8, place.left + place.width / 2 - size.width / 2));
    const above = place.top - size.height - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 60 ? above : place.bottom + 8}px`;
  };
  document.addEventListener("pointerover", over);
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
}

function startCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.copy) copy((await unpack(`table-${button.dataset.table}`))[button.dataset.copy], button);
    if (button?.dataset.copyFrom) copy(byId(button.dataset.copyFrom).textContent, button);
  });
}

function startTheme() {
  const root = document.documentElement, button = byId("theme");
  const set = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    button.setAttribute("aria-pressed", String(dark));
  };
  const remember = (name) => {
    try { localStorage.setItem("moopt-theme", name); } catch { /* storage may be forbidden */ }
  };
  set(root.dataset.theme === "dark");
  button.onclick = () => {
    set(root.dataset.theme !== "dark");
    remember(root.dataset.theme);
    redraw();
  };
  let before = null; // paper is white
  window.addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    set(false);
    unseen.forEach((start) => start());
    redraw();
  });
  window.addEventListener("afterprint", () => { set(before === "dark"); redraw(); });
}

/** All legends switch the same algorithms; the last one stays. */
function startLegends() {
  const buttons = [...document.querySelectorAll(".legend button")];
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".legend button");
    if (!button) return;
    const algorithm = Number(button.dataset.algorithm);
    if (hidden.has(algorithm)) hidden.delete(algorithm);
    else if (visible().length > 1) hidden.add(algorithm);
    for (const one of buttons) one.setAttribute("aria-pressed", String(shown(Number(one.dataset.algorithm))));
    redraw();
  });
}

/** Tells in the bar which section is being read. */
function startSections() {
  const links = [...document.querySelectorAll(".bar nav a")];
  const sections = links.map((link) => document.querySelector(link.hash));
  const mark = eased(() => {
    const atEnd = window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 2;
    const tops = sections.map((section) => section.getBoundingClientRect().top);
    const here = atEnd && window.scrollY > 0 ? links.length - 1 : tops.findLastIndex((top) => top < window.innerHeight / 3);
    links.forEach((link, i) => {
      if (i === here) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    const bar = links[0].parentElement, link = links[Math.max(0, here)];
    if (bar.scrollWidth > bar.clientWidth) bar.scrollLeft = link.offsetLeft - bar.offsetLeft - bar.clientWidth / 3;
  });
  window.addEventListener("scroll", mark, { passive: true });
  mark();
}

/** Asks the server for a newer page and comes back to the same place in it. */
function startLive() {
  const version = document.body.dataset.live;
  if (version === undefined) return;
  const chip = document.querySelector(".live"), kept = "moopt-place";
  try {
    const place = JSON.parse(sessionStorage.getItem(kept));
    if (place) {
      current.number = Math.max(0, study.problems.indexOf(place.problem));
      const back = () => window.scrollTo({ top: place.y, behavior: "instant" });
      back();
      if (place.y > byId("problems").offsetTop) choose(current.number).then(back);
    }
    sessionStorage.removeItem(kept);
  } catch { /* storage may be forbidden: the page then begins at its head */ }
  const ask = async () => {
    try {
      const answer = await (await fetch("version", { cache: "no-store" })).json();
      if (answer.version !== version) {
        sessionStorage.setItem(kept, JSON.stringify({ y: window.scrollY, problem: study.problems[current.number] }));
        location.reload();
        return;
      }
      chip.textContent = answer.trouble ? `live; not rebuilt: ${answer.trouble}` : "live";
      setTimeout(ask, 2000);
    } catch {
      chip.textContent = "no longer live";
      chip.classList.add("over");
    }
  };
  setTimeout(ask, 2000);
}

startTheme();
startSorting();
startTips();
startCopying();
startLegends();
startProblems();
startFigures();
startSections();
startLive();
