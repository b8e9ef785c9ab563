"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const list = byId("rows");
  const rows = [...list.children];
  const search = byId("search");
  const chosen = { branch: byId("branch"), agent: byId("agent"), type: byId("type") };
  const root = document.documentElement;
  let texts = null;
  let current = null;

  // Searched in lower case; made at the first search, since most pages are only read.
  const textOf = (number) => {
    texts ??= data.rows.map((text) => text.toLowerCase());
    return texts[number];
  };

  const inBranch = (row, ranges) => {
    const step = Number(row.dataset.step);
    return ranges.some(([owner, low, high]) => owner === row.dataset.branch && low <= step && step <= high);
  };

  const passes = (row, number, words, ranges) =>
    (!chosen.agent.value || row.dataset.agent === chosen.agent.value) &&
    (!chosen.type.value || row.dataset.type === chosen.type.value) &&
    (!ranges || inBranch(row, ranges)) &&
    words.every((word) => textOf(number).includes(word));

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const branch = chosen.branch.value;
    const ranges = branch ? data.shown[branch] : null;
    let count = 0;
    rows.forEach((row, number) => {
      const shown = passes(row, number, words, ranges);
      if (row.hidden === shown) row.hidden = !shown;
      count += shown;
    });
    byId("count").value = `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`;
    for (const line of document.querySelectorAll(".branch")) {
      line.classList.toggle("chosen", line.dataset.branch === branch);
    }
  };

  const visible = (row, step) => {
    while (row && row.hidden) row = step > 0 ? row.nextElementSibling : row.previousElementSibling;
    return row;
  };

  const go = (row) => {
    if (!row) return;
    current = row;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "center" });
    const lanes = byId("lanes");
    const x = Number(lanes.dataset.left) + (rows.indexOf(row) + 0.5) * Number(lanes.dataset.scale);
    for (const [name, value] of [["x1", x], ["x2", x], ["visibility", "visible"]]) {
      byId("cursor").setAttribute(name, value);
    }
  };

  const move = (step) => {
    const next = current
      ? step > 0 ? current.nextElementSibling : current.previousElementSibling
      : step > 0 ? list.firstElementChild : list.lastElementChild;
    go(visible(next, step));
  };

  const toggleRaw = (row) => {
    const old = row.querySelector("pre.raw");
    if (old) return old.remove();
    const made = document.createElement("pre");
    made.className = "raw";
    made.textContent = data.rows[rows.indexOf(row)];
    row.append(made);
  };

  const unfold = (row) => {
    const parts = [...row.querySelectorAll("details")];
    const open = parts.some((part) => !part.open);
    for (const part of parts) part.open = open;
    if (!parts.length) toggleRaw(row);
  };

  const turnTheme = () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };

  const chooseBranch = (line) => {
    chosen.branch.value = chosen.branch.value === line.dataset.branch ? "" : line.dataset.branch;
    filter();
  };

  const keys = {
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
    Enter: () => current && unfold(current), o: () => current && unfold(current),
    r: () => current && toggleRaw(current), t: turnTheme,
    "/": () => { search.focus(); search.select(); },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = event.target;
    if (event.key === "Escape") {
      if (at === search) { search.value = ""; filter(); }
      at.blur();
      return;
    }
    if (at.closest("input, select, button, summary")) return;
    const line = at.closest(".branch");
    if (line && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      chooseBranch(line);
    } else if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });

  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  byId("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    filter();
    go(visible(list.firstElementChild, 1));
  });
  for (const each of Object.values(chosen)) each.addEventListener("change", filter);
  byId("theme").addEventListener("click", turnTheme);
  list.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row && event.target.closest(".rawb")) toggleRaw(row);
    else if (row) current = row;
  });
  for (const line of document.querySelectorAll(".branch")) {
    line.addEventListener("click", () => chooseBranch(line));
  }
  byId("lanes").addEventListener("click", (event) => {
    const lanes = event.currentTarget;
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(lanes.getScreenCTM().inverse());
    const number = Math.floor((point.x - Number(lanes.dataset.left)) / Number(lanes.dataset.scale));
    go(visible(rows[Math.min(Math.max(number, 0), rows.length - 1)], 1));
  });
})();
