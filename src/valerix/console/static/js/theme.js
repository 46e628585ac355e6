// Not a module: it runs before the first paint, so that a dark theme does not start with a white flash.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("valerix.theme");
  } catch {
    /* storage may be off */
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
