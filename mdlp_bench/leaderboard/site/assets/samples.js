"use strict";
(async () => {
  const data = MB.data(), $ = (id) => document.getElementById(id), given = MB.state();
  const shared = await MB.load(data.dataset, "samples");
  const readers = Object.entries(data.readers), methods = data.methods.map(([page, title, version]) => [page, `${title} ${version}`]);
  const image = (...path) => `${MB.root()}img/${[data.dataset, ...path].map(encodeURIComponent).join("/")}.webp`;
  MB.fill($("a"), methods, given.get("a") || methods[0]?.[0]);
  MB.fill($("b"), methods, given.get("b") || (methods[1] || methods[0])?.[0]);
  MB.fill($("reader"), readers, given.get("reader"));
  MB.fill($("sample"), shared.shown.map((s) => [s.id, `${s.id} ${s.text}`]), given.get("sample"));
  const gives = new Map(data.methods.map(([page, , , output]) => [page, output]));
  const title = (page) => methods.find(([key]) => key === page)?.[1] || "";
  const figure = (source, name, text) => `<figure><img src="${source}" alt="${MB.escape(name)}" width="224" height="112" loading="lazy"><figcaption>${text}</figcaption></figure>`;

  async function show() {
    const sample = shared.shown.find((s) => s.id === $("sample").value), reader = $("reader").value;
    if (!sample) return;
    const frames = sample.frameTexts[reader] || [];
    $("inputs").innerHTML = [...Array(sample.frames).keys()].map((k) => figure(image(`${sample.id}-f${k + 1}`), `Frame ${k + 1}`, frames[k] ? MB.coloured(frames[k]) : "")).join("");
    const gt = sample.gtText[reader];
    $("gt").innerHTML = (sample.gt ? figure(image(`${sample.id}-gt`), "Ground truth", `${gt ? `${MB.coloured(gt)} <span class="muted">read</span>` : ""}`) : '<p class="muted">no picture</p>') +
      `<p><span class="c">${MB.escape(sample.text || "no text")}</span> <span class="muted">ground truth${sample.layout ? `, ${MB.escape(sample.layout)}` : ""}</span></p>`;
    for (const side of ["a", "b"]) {
      const page = $(side).value;
      const pictured = gives.get(page) !== "text", img = $(`img${side}`);
      $(`side${side}`).classList.toggle("blank", !pictured);
      if (pictured) { img.src = image(page, sample.id); img.alt = `Restored by ${title(page)}`; } else { img.removeAttribute("src"); img.alt = ""; }
      $(`tag${side}`).textContent = data.methods.find(([key]) => key === page)?.[1] || "";
      $(`name${side}`).textContent = title(page);
      const entry = await MB.load(data.dataset, page), at = shared.ids.indexOf(sample.id), read = entry.texts[reader];
      if (page === $(side).value && sample.id === $("sample").value) $(`text${side}`).innerHTML = read ? MB.coloured(read[at]) : '<span class="muted">not read by this reader</span>';
    }
    MB.remember({ sample: sample.id, a: $("a").value, b: $("b").value, reader });
  }

  // Entries of different protocols are read by different readers: one that has read the left method is taken.
  async function suit() { const { texts } = await MB.load(data.dataset, $("a").value); if (!texts[$("reader").value]) $("reader").value = Object.keys(texts)[0]; }
  function step(by) { const list = $("sample"); list.selectedIndex = (list.selectedIndex + by + list.length) % list.length; show(); }
  function divide(percent) { const at = Math.min(100, Math.max(0, percent)); $("split").value = at; $("slider").style.setProperty("--at", `${at}%`); $("split").setAttribute("aria-valuetext", `${Math.round(at)} % of the left method`); }

  $("choose").addEventListener("input", async (event) => { if (event.target === $("a")) await suit(); show(); });
  $("choose").addEventListener("submit", (event) => event.preventDefault());
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("split").addEventListener("input", (event) => divide(+event.target.value));
  const drag = (event) => { const box = $("slider").getBoundingClientRect(); divide(100 * (event.clientX - box.left) / box.width); };
  $("slider").addEventListener("pointerdown", (event) => { event.preventDefault(); $("slider").setPointerCapture(event.pointerId); drag(event); });
  $("slider").addEventListener("pointermove", (event) => { if (event.buttons) drag(event); });
  addEventListener("hashchange", () => { const now = MB.state(); for (const name of ["a", "b", "reader", "sample"]) if (now.get(name)) $(name).value = now.get(name); show(); });
  divide(50);
  if (!given.get("reader") && methods.length) await suit();
  await show();
  document.body.dataset.ready = "1";
})();
