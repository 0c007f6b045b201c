"use strict";
// What all pages share: theme, state in the address, data scripts (a site opened from disk may not fetch).
const MB = (() => {
  const waiting = new Map(), received = new Map();
  const stored = (value) => {
    try { return value === undefined ? localStorage.getItem("theme") : localStorage.setItem("theme", value); } catch { return null; }
  };
  const theme = stored();
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const isDark = () => document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.addEventListener("click", () => { const next = isDark() ? "light" : "dark"; document.documentElement.dataset.theme = next; stored(next); show(); });
    show();
  });

  return {
    root: () => document.body.dataset.root,
    data: () => JSON.parse(document.getElementById("data").textContent),
    receive(key, data) { received.set(key, data); },
    load(dataset, key) {
      if (!waiting.has(key)) waiting.set(key, new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = `${MB.root()}data/${encodeURIComponent(dataset)}/${encodeURIComponent(key)}.js`;
        script.onload = () => done(received.get(key));
        script.onerror = () => failed(new Error(`no data of ${key}`));
        document.head.append(script);
      }));
      return waiting.get(key);
    },
    state() { return new URLSearchParams(location.hash.slice(1)); },
    remember(values) {
      const parameters = new URLSearchParams();
      for (const [key, value] of Object.entries(values)) if (value !== "" && value !== null && value !== false) parameters.set(key, value === true ? "1" : value);
      const text = parameters.toString();
      history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
    },
    escape(text) { return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`); },
    coloured([text, kinds]) {
      const names = { r: "right", w: "wrong", h: "hallucinated", n: "" };
      const marked = [...text].map((c, i) => `<span class="c ${kinds[i]}">${MB.escape(c)}</span>`).join("");
      const wrong = [...kinds].map((k, i) => k === "w" || k === "h" ? `${[...text][i]} ${names[k]}` : "").filter(Boolean).join(", ");
      return (marked || '<span class="muted">nothing read</span>') + (wrong ? `<span class="hidden">: ${MB.escape(wrong)}</span>` : "");
    },
    fill(select, pairs, value) {
      select.replaceChildren(...pairs.map(([key, text]) => new Option(text, key)));
      if (pairs.some(([key]) => key === value)) select.value = value;
    },
  };
})();
