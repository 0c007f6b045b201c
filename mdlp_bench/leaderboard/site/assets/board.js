"use strict";
(() => {
  const data = MB.data(), n = data.title.length, $ = (id) => document.getElementById(id);
  for (const name of ["version", "authors", "flags"]) data[name] = data[name].at.map((k) => data[name].names[k]);
  data.flags = data.flags.map((text) => text ? text.split(" ") : []);
  for (const m of data.metrics) { m.l = m.v.map((x, i) => m.l[i] === null ? null : x - m.l[i]); m.h = m.v.map((x, i) => m.h[i] === null ? null : x + m.h[i]); }
  // As `slugify` in files.py: lower case, everything but letters, digits, dots and underscores becomes a dash.
  data.page = data.title.map((title, i) => `${title.toLowerCase().replace(/[^a-z0-9._]+/g, "-").replace(/^[-._]+|[-._]+$/g, "") || "unnamed"}--${data.version[i]}`);
  const haystack = data.title.map((title, i) => `${title} ${data.version[i]} ${data.authors[i]} ${data.flags[i].join(" ")}`.toLowerCase());
  const collator = new Intl.Collator("en"), alphabet = [...data.title.keys()].sort((i, j) => collator.compare(data.title[i], data.title[j]));
  const alphabetical = new Array(n); alphabet.forEach((i, k) => { alphabetical[i] = k && data.title[alphabet[k - 1]] === data.title[i] ? alphabetical[alphabet[k - 1]] : k; });
  const FIRST = 60, WARN = new Set(["extra-data", "synthetic"]);
  const table = $("board"), body = table.tBodies[0];
  const state = { sort: "place", dir: "asc", q: "", rule: "place", frames: "", noextra: false, nosynth: false, all: false, cost: "ms" };
  const ranges = data.metrics.map((m) => {
    const low = Math.min(...m.l.filter((x) => x !== null), ...m.v.filter((x) => x !== null));
    const high = Math.max(...m.h.filter((x) => x !== null), ...m.v.filter((x) => x !== null));
    return [low, Math.max(high - low, 1)];
  });
  const best = data.metrics.map((m) => {
    if (!m.ranked) return null;
    const at = m.v.reduce((found, x, i) => x !== null && (found < 0 || (m.higher ? x > m.v[found] : x < m.v[found])) ? i : found, -1);
    return at < 0 ? null : members(data.groups[m.g[at]])[0] ?? null;
  });
  const rows = new Array(n);

  // Tie groups come as runs of numbers, "0-2,5"; people see letters, "a–c f".
  function members(group) { return group ? group.split(",").flatMap((run) => { const [low, high] = run.split("-").map(Number); return Array.from({ length: (high ?? low) - low + 1 }, (_, k) => low + k); }) : []; }
  function letter(k) { let text = ""; for (let rest = k + 1; rest > 0; rest = Math.floor((rest - 1) / 26)) text = String.fromCharCode(97 + (rest - 1) % 26) + text; return text; }
  function lettered(group) { return group.split(",").map((run) => { const [low, high] = run.split("-").map(Number); return high === undefined ? letter(low) : `${letter(low)}${high - low > 1 ? "–" : ""}${letter(high)}`; }).join(" "); }
  const number = (m, x) => (x / 10 ** m.decimals).toFixed(m.decimals);
  const short = (x) => x === null ? "–" : x >= 1e9 ? `${+(x / 1e9).toPrecision(3)} G` : x >= 1e6 ? `${+(x / 1e6).toPrecision(3)} M` : x >= 1e3 ? `${+(x / 1e3).toPrecision(3)} k` : `${x}`;
  const time = (ms) => ms === null ? "–" : ms >= 1000 ? `${+(ms / 1000).toPrecision(3)} s` : `${ms} ms`;

  function cell(m, k, i) {
    if (m.v[i] === null) return `<td class="muted">–<span class="hidden"> ${MB.escape(m.why || "not computed")}</span></td>`;
    const [low, span] = ranges[k], at = (x) => `${(100 * (x - low) / span).toFixed(1)}%`;
    const group = m.ranked ? data.groups[m.g[i]] : "", tied = m.ranked && members(group).includes(best[k]);
    const interval = m.l[i] === null ? "" : `<small>${number(m, m.l[i])}–${number(m, m.h[i])}</small>`;
    const bar = m.l[i] === null ? "" : ` style="--a:${at(m.l[i])};--b:${at(m.h[i])};--v:${at(m.v[i])}"`;
    return `<td class="${bar ? "s" : ""}${tied ? " best" : ""}"${bar}>${number(m, m.v[i])}${group ? `<sup>${lettered(group)}</sup>` : ""}${interval}</td>`;
  }

  function row(i) {
    if (!rows[i]) {
      const tr = document.createElement("tr");
      const flags = data.flags[i].map((f) => ` <span class="badge${WARN.has(f) ? "" : " warn"}">${f}</span>`).join("");
      tr.innerHTML = `<td></td><th scope="row"><a href="${MB.root()}methods/${encodeURIComponent(data.dataset)}/${encodeURIComponent(data.page[i])}.html">${MB.escape(data.title[i])}</a><span class="sub">${MB.escape(data.version[i])}${flags}</span></th>` +
        `${data.metrics.map((m, k) => cell(m, k, i)).join("")}<td>${data.frames[i]}</td><td>${short(data.parameters[i])}</td><td>${time(data.ms[i])}</td>`;
      tr.dataset.page = data.page[i];
      rows[i] = tr;
    }
    if (rows[i].dataset.rule !== state.rule) {
      const [rank, low, high] = data[state.rule][i];
      rows[i].cells[0].innerHTML = `${rank} <small>(${low === high ? low : `${low}–${high}`})</small>`;
      rows[i].dataset.rule = state.rule;
    }
    return rows[i];
  }

  const columns = [["place", "Place", true], ["title", "Method", true], ...data.metrics.map((m) => [m.name, m.title, !m.higher, m.unit, m.higher ? "↑" : "↓"]), ["frames", "Frames", true], ["parameters", "Params", true], ["ms", "Time", true]];

  function keys(name) {
    if (name === "place") return data[state.rule].map((place) => place[0]);
    if (name === "title") return alphabetical;
    return data.metrics.find((one) => one.name === name)?.v || data[name];
  }

  function order(found) {
    const values = keys(state.sort), sign = state.dir === "asc" ? 1 : -1;
    return found.sort((i, j) => {
      const a = values[i], b = values[j];
      if (a === b) return data.place[i][0] - data.place[j][0] || i - j;
      if (a === null || b === null) return a === null ? 1 : -1;
      return sign * (a - b);
    });
  }

  function matching() {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    return [...data.title.keys()].filter((i) => words.every((w) => haystack[i].includes(w)) &&
      (!state.noextra || !data.flags[i].includes("extra-data")) && (!state.nosynth || !data.flags[i].includes("synthetic")) &&
      (state.frames === "" || (state.frames === "1" ? data.frames[i] === 1 : data.frames[i] >= 2)));
  }

  function draw() {
    const found = order(matching());
    const shown = state.all ? found : found.slice(0, FIRST);
    body.replaceChildren(...shown.map(row));
    $("count").textContent = `${found.length} of ${n} entries`;
    $("more").hidden = shown.length === found.length;
    $("more").textContent = `Show all ${found.length}`;
    for (const th of table.tHead.rows[0].cells) {
      if (th.dataset.key === state.sort) th.setAttribute("aria-sort", state.dir === "asc" ? "ascending" : "descending"); else th.removeAttribute("aria-sort");
    }
    MB.remember({ ...state, sort: state.sort === "place" && state.dir === "asc" ? "" : state.sort, dir: state.dir === "asc" ? "" : state.dir, rule: state.rule === "place" ? "" : state.rule, cost: state.cost === "ms" ? "" : state.cost });
  }

  function sortBy(name, ascending) {
    if (state.sort === name) state.dir = state.dir === "asc" ? "desc" : "asc"; else { state.sort = name; state.dir = ascending ? "asc" : "desc"; }
    draw();
  }

  function mark(page) {
    const i = data.page.indexOf(page), m = data.metrics.find((one) => one.name === state.sort && one.ranked) || data.metrics[0];
    const own = new Set(i < 0 ? [] : members(data.groups[m.g[i]]));
    for (const tr of body.rows) { const j = data.page.indexOf(tr.dataset.page); tr.classList.toggle("tied", members(data.groups[m.g[j]]).some((k) => own.has(k))); }
  }

  // Round steps, about five of them.
  function ticks(low, high) { const raw = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(raw)), step = unit * [1, 2, 5, 10].find((k) => k * unit >= raw), found = []; for (let v = Math.ceil(low / step) * step; v <= high; v += step) found.push(v); return found; }

  function plot() {
    const m = data.metrics[0], cost = data[state.cost], bit = state.cost === "ms" ? 1 : 2, floor = data.floor;
    const points = [...data.title.keys()].filter((i) => m.v[i] !== null && cost[i] !== null);
    const W = 900, H = 420, L = 60, R = 24, T = 34, B = 50;
    if (!points.length) { $("plot").innerHTML = '<p class="muted">No entry tells this cost.</p>'; return; }
    const log = (x) => Math.log10(Math.max(x, state.cost === "ms" ? 1e-3 : 1)), xs = points.map((i) => log(cost[i])), ys = points.flatMap((i) => [m.l[i] ?? m.v[i], m.h[i] ?? m.v[i]]);
    if (floor !== null) ys.push(floor);
    const x0 = Math.floor(Math.min(...xs)), x1 = Math.max(Math.ceil(Math.max(...xs)), x0 + 1), pad = 0.04 * Math.max(Math.max(...ys) - Math.min(...ys), 1), y0 = Math.min(...ys) - pad, y1 = Math.max(...ys) + pad;
    const X = (v) => L + (W - L - R) * (log(v) - x0) / (x1 - x0), Y = (v) => T + (H - T - B) * (m.higher ? y1 - v : v - y0) / (y1 - y0);
    const unit = state.cost === "ms" ? time : short;
    let svg = `<svg viewBox="0 0 ${W} ${H}" role="group" aria-label="${m.title} against ${state.cost === "ms" ? "time per sample" : "parameters"}; the same numbers stand in the table">`;
    for (let d = x0; d <= x1; d++) { const x = X(10 ** d); svg += `<line class="axis" x1="${x}" x2="${x}" y1="${T}" y2="${H - B}"/><text class="tick" x="${x}" y="${H - B + 16}" text-anchor="middle">${unit(10 ** d)}</text>`; }
    for (const v of ticks(y0, y1)) { const y = Y(v); svg += `<line class="axis" x1="${L}" x2="${W - R}" y1="${y}" y2="${y}"/><text class="tick" x="${L - 6}" y="${y + 4}" text-anchor="end">${number(m, v)}</text>`; }
    svg += `<text x="${(L + W - R) / 2}" y="${H - 12}" text-anchor="middle">${state.cost === "ms" ? "time per sample" : "parameters"} (log)</text><text x="14" y="18">${m.title} ${m.higher ? "↑ higher" : "↓ lower"} is better</text>`;
    const front = points.filter((i) => data.front[i] & bit).sort((i, j) => cost[i] - cost[j]);
    svg += `<polyline class="front" points="${front.map((i) => `${X(cost[i])},${Y(m.v[i])}`).join(" ")}"/>`;
    // Labels keep clear of points and of one another; those off the front give way.
    const taken = points.map((i) => [X(cost[i]) - 6, Y(m.v[i]) - 6, X(cost[i]) + 6, Y(m.v[i]) + 6]), labels = new Map();
    if (floor !== null) { const y = Y(floor); svg += `<line class="floor" x1="${L}" x2="${W - R}" y1="${y}" y2="${y}"/><text class="tick" x="${W - R - 4}" y="${y - 5}" text-anchor="end">degraded input ${number(m, floor)}</text>`; taken.push([W - R - 170, y - 18, W - R, y]); }
    for (const i of [...front, ...points.filter((i) => !(data.front[i] & bit))]) {
      const x = X(cost[i]), y = Y(m.v[i]), w = 6.7 * data.title[i].length, last = points.length > 40 && !(data.front[i] & bit) ? 0 : 8;
      for (const [dx, dy] of [[9, -7], [9, 15], [-9, -7], [-9, 15], [9, 4], [-9, 4], [9, -22], [-9, 30]].slice(0, last)) {
        const a = dx > 0 ? x + dx : x + dx - w, box = [a, y + dy - 11, a + w, y + dy + 3];
        if (box[0] < L || box[2] > W - 2 || box[1] < T || box[3] > H - B || taken.some((t) => box[0] < t[2] && t[0] < box[2] && box[1] < t[3] && t[1] < box[3])) continue;
        taken.push(box);
        labels.set(i, `<text x="${x + dx}" y="${y + dy}" text-anchor="${dx > 0 ? "start" : "end"}">${MB.escape(data.title[i])}</text>`);
        break;
      }
    }
    for (const i of points) {
      const x = X(cost[i]), y = Y(m.v[i]), on = data.front[i] & bit;
      svg += `<a class="${on ? "on" : ""}" href="${MB.root()}methods/${encodeURIComponent(data.dataset)}/${encodeURIComponent(data.page[i])}.html"><title>${MB.escape(data.title[i])}: ${m.title} ${number(m, m.v[i])}, ${unit(cost[i])}</title>` +
        (m.l[i] === null ? "" : `<line class="error" x1="${x}" x2="${x}" y1="${Y(m.l[i])}" y2="${Y(m.h[i])}"/>`) + `<circle cx="${x}" cy="${y}" r="5"/>${labels.get(i) || ""}</a>`;
    }
    $("plot").innerHTML = `${svg}</svg>`;
  }

  function restore() {
    const given = MB.state();
    state.sort = columns.some(([k]) => k === given.get("sort")) ? given.get("sort") : "place";
    state.dir = given.get("dir") === "desc" ? "desc" : "asc";
    state.q = given.get("q") || "";
    state.rule = given.get("rule") === "borda" ? "borda" : "place";
    state.frames = ["1", "2"].includes(given.get("frames")) ? given.get("frames") : "";
    state.cost = given.get("cost") === "parameters" ? "parameters" : "ms";
    for (const name of ["noextra", "nosynth", "all"]) state[name] = given.get(name) === "1";
    for (const name of ["q", "rule", "frames", "cost"]) $(name).value = state[name];
    for (const name of ["noextra", "nosynth"]) $(name).checked = state[name];
    draw(); plot();
  }

  table.tHead.innerHTML = `<tr>${columns.map(([k, text, asc, unit, better]) => `<th scope="col" data-key="${k}"><button type="button" data-asc="${asc ? 1 : ""}">${MB.escape(text)}${better ? `&nbsp;<span class="dir" aria-hidden="true">${better}</span><span class="hidden">, ${better === "↑" ? "higher" : "lower"} is better</span>` : ""}${unit ? ` <small>${unit}</small>` : ""}</button></th>`).join("")}</tr>`;
  table.tHead.addEventListener("click", (event) => { const button = event.target.closest("button"); if (button) sortBy(button.closest("th").dataset.key, Boolean(button.dataset.asc)); });
  body.addEventListener("mouseover", (event) => { const tr = event.target.closest("tr"); if (tr) mark(tr.dataset.page); });
  body.addEventListener("focusin", (event) => { const tr = event.target.closest("tr"); if (tr) mark(tr.dataset.page); });
  body.addEventListener("mouseleave", () => mark(""));
  $("filters").addEventListener("input", (event) => { const e = event.target; state[e.id] = e.type === "checkbox" ? e.checked : e.value; draw(); });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("reset", () => { Object.assign(state, { q: "", rule: "place", frames: "", noextra: false, nosynth: false, sort: "place", dir: "asc" }); setTimeout(draw); });
  $("more").addEventListener("click", () => { state.all = true; draw(); });
  $("cost").addEventListener("input", (event) => { state.cost = event.target.value; plot(); draw(); });
  addEventListener("hashchange", restore);
  restore();
})();
