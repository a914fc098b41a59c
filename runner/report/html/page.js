"use strict";
// The explorer of test rows. All text goes through textContent: nothing of data or models is ever read as markup.
(() => {
  const PAGE = 50;
  const MOST_CELLS = 1e6; // of a character diff; longer texts are compared by words
  const byId = (id) => document.getElementById(id);
  const list = byId("list");
  const search = byId("search");
  const state = { filter: "all", q: "", page: 1, row: "" };
  let rows = [];
  let found = [];

  const matches = {
    all: () => true,
    near: (row) => row.near === true,
    format_error: (row) => row.status === "format_error" || (row.violations || []).length > 0,
  };

  async function decode() {
    const bytes = Uint8Array.from(atob(byId("row-data").textContent), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const lines = (await new Response(stream).text()).split("\n");
    return lines.filter(Boolean).map((line) => {
      const row = JSON.parse(line);
      const texts = [row.id, row.where || "", row.input, row.expected, ...Object.values(row.answers)];
      return Object.assign(row, { searched: texts.join("\n").toLowerCase() });
    });
  }

  // --- What is shown, and the address that leads back to it

  function readAddress() {
    const said = new URLSearchParams(location.hash.slice(1));
    if (!["filter", "q", "page", "row"].some((name) => said.has(name))) return false;
    const filter = said.get("filter") || "all";
    state.filter = document.querySelector(`[data-filter="${CSS.escape(filter)}"]`) ? filter : "all";
    state.q = said.get("q") || "";
    state.page = Math.max(1, Number.parseInt(said.get("page"), 10) || 1);
    state.row = said.get("row") || "";
    search.value = state.q;
    return true;
  }

  function writeAddress() {
    const said = new URLSearchParams({ filter: state.filter });
    if (state.q) said.set("q", state.q);
    if (state.page > 1) said.set("page", state.page);
    history.replaceState(null, "", `#${said}`);
  }

  function choose() {
    const wanted = matches[state.filter] || ((row) => row.status === state.filter);
    const words = state.q.toLowerCase();
    found = rows.filter((row) => wanted(row) && row.searched.includes(words));
    const place = state.row ? found.findIndex((row) => row.id === state.row) : -1;
    if (place >= 0) state.page = Math.floor(place / PAGE) + 1;
    state.page = Math.min(state.page, Math.max(1, Math.ceil(found.length / PAGE)));
    show();
    if (place >= 0) {
      const card = list.children[place % PAGE];
      card.open = true;
      card.querySelector("summary").focus();
    }
    state.row = "";
  }

  function show() {
    const from = (state.page - 1) * PAGE;
    list.replaceChildren(...found.slice(from, from + PAGE).map(card));
    const last = Math.min(from + PAGE, found.length);
    byId("count").textContent = found.length
      ? `Rows ${from + 1} to ${last} of ${found.length}, of ${rows.length} in all.`
      : "No row is like that.";
    for (const button of document.querySelectorAll("[data-filter]")) {
      button.setAttribute("aria-pressed", String(button.dataset.filter === state.filter));
    }
    showPages();
  }

  function showPages() {
    const pages = Math.ceil(found.length / PAGE);
    const near = (page) => page === 1 || page === pages || Math.abs(page - state.page) < 4;
    const numbers = Array.from({ length: pages }, (_, at) => at + 1).filter(near);
    byId("pages").replaceChildren(...(pages > 1 ? numbers : []).map((page) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: page });
      button.setAttribute("aria-label", `Page ${page}`);
      if (page === state.page) button.setAttribute("aria-current", "page");
      button.addEventListener("click", () => turnTo(page));
      return button;
    }));
  }

  function turnTo(page) {
    state.page = page;
    show();
    writeAddress();
    list.scrollIntoView();
  }

  // --- One row

  function card(row) {
    const made = byId("row-template").content.firstElementChild.cloneNode(true);
    const field = (name) => made.querySelector(`[data-f="${CSS.escape(name)}"]`);
    const tuned = row.answers.tuned ?? "no answer";
    made.dataset.row = row.id;
    field("status").textContent = row.status.replace("_", " ");
    field("status").classList.add(row.status);
    field("head").textContent = oneLine(row.input);
    field("short").textContent = `${oneLine(row.expected)} → ${oneLine(tuned)}`;
    field("where").textContent = `row ${row.id}${row.where ? `, ${row.where}` : ""}`;
    const notes = [
      ...((row.violations || []).length ? [`breaks the format: ${row.violations.join(", ")}`] : []),
      ...Object.entries(row.slices || {}).map(([name, value]) => `${name}: ${value ?? "none"}`),
      ...(row.near ? ["near a training row"] : []),
    ];
    field("notes").textContent = notes.join("; ");
    field("notes").hidden = !notes.length;
    const nearest = (row.nearest || []).map((near) => {
      const said = `${Math.round(100 * near.similarity)}% alike${near.where ? `, ${near.where}` : ""}: `;
      return element("li", [element("span", [said], "note"), element("span", [`${near.input || ""} → ${near.answer || ""}`], "t")]);
    });
    field("nearest").replaceChildren(...nearest);
    field("nearest").parentElement.hidden = !nearest.length;
    // What costs time waits until somebody looks.
    made.addEventListener("toggle", () => fill(row, made), { once: true });
    return made;
  }

  function fill(row, made) {
    const field = (name) => made.querySelector(`[data-f="${CSS.escape(name)}"]`);
    field("input").textContent = row.input;
    field("expected").textContent = row.expected;
    for (const place of made.querySelectorAll('[data-f^="answer:"]')) {
      const answer = row.answers[place.dataset.f.slice("answer:".length)];
      place.replaceChildren(...(answer === undefined ? ["no answer"] : marked(row.expected, answer)));
    }
  }

  function element(name, children, kind) {
    const made = document.createElement(name);
    made.append(...children);
    if (kind) made.className = kind;
    return made;
  }

  function oneLine(text) {
    const words = text.split(/\s+/).join(" ").trim();
    return words.length > 90 ? `${words.slice(0, 90)}…` : words;
  }

  // --- What an answer has that the reference has not (ins), and the other way round (del)

  function marked(expected, answer) {
    if (expected === answer) return [answer];
    let [left, right] = [Array.from(expected), Array.from(answer)];
    if (left.length * right.length > MOST_CELLS) [left, right] = [words(expected), words(answer)];
    let start = 0;
    while (start < left.length && start < right.length && left[start] === right[start]) start += 1;
    let end = 0;
    while (end < Math.min(left.length, right.length) - start && left.at(-1 - end) === right.at(-1 - end)) end += 1;
    const middle = [left.slice(start, left.length - end), right.slice(start, right.length - end)];
    const parts = [["", left.slice(0, start)], ...changed(...middle), ["", left.slice(left.length - end)]];
    const same = parts.filter(([kind]) => !kind).reduce((sum, [, units]) => sum + units.length, 0);
    // Two texts that have little in common are easier to read without their chance letters marked.
    if (same < 0.4 * Math.max(left.length, right.length)) return [element("ins", [answer])];
    return parts.filter(([, units]) => units.length)
      .map(([kind, units]) => (kind ? element(kind, [units.join("")]) : units.join("")));
  }

  const words = (text) => text.match(/\s+|[^\s]+/g) || [];

  function changed(left, right) {
    if (!left.length || !right.length || left.length * right.length > MOST_CELLS) return [["del", left], ["ins", right]];
    const wide = right.length + 1;
    const common = new Uint16Array((left.length + 1) * wide); // longest common subsequence of what follows
    for (let i = left.length - 1; i >= 0; i -= 1) {
      for (let j = right.length - 1; j >= 0; j -= 1) {
        common[i * wide + j] = left[i] === right[j]
          ? common[(i + 1) * wide + j + 1] + 1
          : Math.max(common[(i + 1) * wide + j], common[i * wide + j + 1]);
      }
    }
    const parts = [];
    const add = (kind, unit) => {
      if (parts.length && parts.at(-1)[0] === kind) parts.at(-1)[1].push(unit);
      else parts.push([kind, [unit]]);
    };
    let [i, j] = [0, 0];
    while (i < left.length || j < right.length) {
      if (i < left.length && j < right.length && left[i] === right[j]) { add("", left[i]); i += 1; j += 1; }
      else if (j >= right.length || (i < left.length && common[(i + 1) * wide + j] >= common[i * wide + j + 1])) add("del", left[i++]);
      else add("ins", right[j++]);
    }
    return parts;
  }

  // --- Keyboard and controls

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") leave();
    else if (event.target.closest("input, textarea, select")) return;
    else if (event.key === "/") { event.preventDefault(); search.focus(); }
    else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
  }

  function leave() {
    if (document.activeElement === search) {
      search.value = "";
      search.blur();
      onSearch();
    } else {
      for (const open of list.querySelectorAll("details[open]")) open.open = false;
    }
  }

  function step(by) {
    const heads = [...list.querySelectorAll("summary")];
    const at = heads.indexOf(document.activeElement?.closest?.(".row")?.querySelector("summary"));
    heads[Math.min(Math.max(at < 0 ? 0 : at + by, 0), heads.length - 1)]?.focus();
  }

  function onSearch() {
    Object.assign(state, { q: search.value, page: 1 });
    choose();
    writeAddress();
  }

  function onTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  }

  function follow() {
    if (!readAddress()) return;
    choose();
    if (!list.contains(document.activeElement)) byId("rows").scrollIntoView();
  }

  async function start() {
    byId("theme").hidden = false;
    byId("theme").addEventListener("click", onTheme);
    rows = await decode();
    byId("controls").hidden = false;
    byId("controls").addEventListener("submit", (event) => event.preventDefault());
    byId("controls").addEventListener("click", (event) => {
      const button = event.target.closest("[data-filter]");
      if (!button) return;
      Object.assign(state, { filter: button.dataset.filter, page: 1 });
      choose();
      writeAddress();
    });
    let waiting;
    search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(onSearch, 120); });
    document.addEventListener("keydown", onKey);
    addEventListener("hashchange", follow);
    state.filter = ["broken", "fixed"].find((kind) => rows.some((row) => row.status === kind)) || "all";
    choose();
    follow();
  }

  start();
})();
