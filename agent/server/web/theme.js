// Before the first paint, so that a chosen theme does not flash. Without a choice the system's holds.
"use strict";
try {
  const chosen = localStorage.getItem("toccata.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // No storage: the system's theme.
}
