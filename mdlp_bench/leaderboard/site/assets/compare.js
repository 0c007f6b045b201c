"use strict";
(async () => {
  const data = MB.data(), $ = (id) => document.getElementById(id), given = MB.state();
  const RESAMPLES = 2000, SHOWN = 20, DIGITS = 2;
  const shared = await MB.load(data.dataset, "samples");
  const methods = data.methods.map(([page, title, version]) => [page, `${title} ${version}`]);
  // The two best that restore pictures, where there are two; a text alone cannot be looked at.
  const pictured = data.methods.filter(([, , , pictures]) => pictures).map(([page]) => page);
  const first = pictured.length > 1 ? pictured : methods.map(([page]) => page);
  const shown = new Set(shared.shown.map((s) => s.id)), nPlates = Math.max(...shared.plates) + 1;
  MB.fill($("a"), methods, given.get("a") || first[0]);
  MB.fill($("b"), methods, given.get("b") || first.find((page) => page !== $("a").value));
  MB.fill($("metric"), data.metrics.map((m) => [m.name, m.title]), given.get("metric"));

  // A small generator with a fixed seed, so that every visit shows the same interval.
  function generator(seed) { return () => { seed = (seed + 0x6d2b79f5) | 0; let t = Math.imul(seed ^ (seed >>> 15), 1 | seed); t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t; return ((t ^ (t >>> 14)) >>> 0) / 4294967296; }; }

  function difference(first, second) {
    const sums = new Float64Array(nPlates), counts = new Float64Array(nPlates);
    let a = 0, b = 0, n = 0;
    first.forEach((x, i) => { const y = second[i]; if (x === null || y === null) return; sums[shared.plates[i]] += x - y; counts[shared.plates[i]]++; a += x; b += y; n++; });
    const plates = [...counts.keys()].filter((p) => counts[p] > 0);
    if (!n) return null;
    const found = { a: a / n, b: b / n, d: (a - b) / n, low: null, high: null };
    if (plates.length > 1) {
      const random = generator(20250101), means = new Float64Array(RESAMPLES);
      for (let r = 0; r < RESAMPLES; r++) { let sum = 0, count = 0; for (let k = 0; k < plates.length; k++) { const p = plates[Math.floor(random() * plates.length)]; sum += sums[p]; count += counts[p]; } means[r] = sum / count; }
      means.sort();
      [found.low, found.high] = [means[Math.floor(0.025 * RESAMPLES)], means[Math.ceil(0.975 * RESAMPLES) - 1]];
    }
    return found;
  }

  async function show() {
    const [one, two] = await Promise.all([MB.load(data.dataset, $("a").value), MB.load(data.dataset, $("b").value)]);
    $("ha").textContent = one.title; $("hb").textContent = two.title;
    $("differences").tBodies[0].innerHTML = data.metrics.map((m) => {
      const x = one.metrics[m.key], y = two.metrics[m.key], found = x && y ? difference(x, y) : null, unit = 10 ** (m.decimals + DIGITS);
      const text = (value, sign) => value === null ? "–" : `${sign && value > 0 ? "+" : ""}${(value / unit).toFixed(m.decimals)}`;
      if (!found) return `<tr><th scope="row" class="l">${MB.escape(m.title)}</th><td colspan="6" class="l muted">not computed for both</td></tr>`;
      const apart = found.low !== null && (found.low > 0 || found.high < 0), better = (found.d > 0) === m.higher ? one.title : two.title;
      const reach = found.low === null ? 1 : Math.max(-found.low, found.high, 1e-9), at = (value) => `${(50 + 48 * value / reach).toFixed(1)}%`;
      const bar = found.low === null ? "<td></td>" : `<td class="s zero" style="--a:${at(found.low)};--b:${at(found.high)};--v:${at(found.d)}"></td>`;
      return `<tr data-metric="${m.name}"><th scope="row" class="l">${MB.escape(m.title)} ${m.higher ? "↑" : "↓"}</th><td>${text(found.a)}</td><td>${text(found.b)}</td><td>${text(found.d, true)}</td><td>${text(found.low, true)} to ${text(found.high, true)}</td>${bar}<td class="l">${apart ? `${MB.escape(better)} is better` : "not told apart"}</td></tr>`;
    }).join("");
    const m = data.metrics.find((k) => k.name === $("metric").value), x = one.metrics[m.key] || [], y = two.metrics[m.key] || [], unit = 10 ** (m.decimals + DIGITS);
    const order = [...shared.ids.keys()].filter((i) => x[i] != null && y[i] != null).sort((i, j) => shown.has(shared.ids[j]) - shown.has(shared.ids[i]) || Math.abs(x[j] - y[j]) - Math.abs(x[i] - y[i]) || i - j).slice(0, SHOWN);
    const read = (entry, i) => entry.texts[data.reader] ? `${MB.coloured(entry.texts[data.reader][i])} ` : "";
    const cell = (entry, values, i) => `<td>${read(entry, i)}<span class="muted">${(values[i] / unit).toFixed(m.decimals)}</span></td>`;
    $("most").tBodies[0].innerHTML = order.map((i) => {
      const id = shared.ids[i], link = new URLSearchParams({ sample: id, a: $("a").value, b: $("b").value, reader: data.reader });
      return `<tr><th scope="row" class="l">${MB.escape(id)}</th><td><span class="c">${MB.escape(shared.texts[i])}</span></td>${cell(one, x, i)}${cell(two, y, i)}<td>${((x[i] - y[i]) / unit).toFixed(m.decimals)}</td><td>${shown.has(id) ? `<a href="${MB.root()}samples/${encodeURIComponent(data.dataset)}.html#${link}">look<span class="hidden"> at ${MB.escape(id)}</span></a>` : '<span class="muted">no picture</span>'}</td></tr>`;
    }).join("");
    MB.remember({ a: $("a").value, b: $("b").value, metric: $("metric").value });
    document.body.dataset.ready = "1";
  }

  $("choose").addEventListener("input", show);
  $("choose").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => { const now = MB.state(); for (const name of ["a", "b", "metric"]) if (now.get(name)) $(name).value = now.get(name); show(); });
  await show();
})();
