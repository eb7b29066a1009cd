// Before anything is drawn: the theme that was chosen here, or the one the system prefers.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("moopt-theme"); } catch { /* storage may be forbidden */ }
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
