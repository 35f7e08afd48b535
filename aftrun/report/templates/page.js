"use strict";
// What all pages share: making elements, words for lengths of time, light and dark, times of this place, and news.
const page = (() => {
  const byId = (id) => document.getElementById(id);
  const { words, tones } = JSON.parse(byId("words").textContent);
  const SVG = "http://www.w3.org/2000/svg";

  // Text goes into the page as text, never as markup.
  const el = (tag, props = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (value === undefined || value === null) continue;
      if (name === "class") node.className = value;
      else node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return node;
  };
  const svg = (tag, props) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
    return node;
  };
  const icon = (name) => {
    const node = svg("svg", { class: "icon", "aria-hidden": "true" });
    node.append(svg("use", { href: `#i-${name}` }));
    return node;
  };
  const say = (word) => words[word] || word;
  const human = (seconds) => {
    if (seconds === undefined || seconds === null) return "";
    if (seconds < 59.95) return `${Math.max(0, seconds).toFixed(1)}s`.replace(".0s", "s");
    let rest = Math.round(seconds);
    if (rest >= 3600) rest = Math.round(rest / 60) * 60;
    let text = "";
    for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]) {
      const count = Math.floor(rest / size);
      rest -= count * size;
      if (count) text += `${count}${unit}`;
    }
    return text;
  };

  // News of the server that the page came from, by the name of the event. Who is on the way to another page hears
  // none any more: a reload would bring them back.
  const listen = (address, heard) => {
    if (!address || !("EventSource" in window)) return;
    const source = new EventSource(address);
    addEventListener("beforeunload", () => source.close());
    for (const [name, then] of Object.entries(heard)) source.addEventListener(name, then);
  };

  // --- light and dark -----------------------------------------------------------------------------------------
  const theme = byId("theme");
  const remember = (value) => {
    try {
      if (value) localStorage.setItem("aftrun-theme", value);
      return localStorage.getItem("aftrun-theme");
    } catch {
      return null; // a page from a file may not be allowed to remember
    }
  };
  const dark = () =>
    (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => {
    theme.textContent = dark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", dark() ? "Use light colours" : "Use dark colours");
  };
  if (remember()) document.documentElement.dataset.theme = remember();
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    remember(document.documentElement.dataset.theme);
    label();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);

  document.querySelectorAll("time").forEach((node) => {
    const at = new Date(node.dateTime);
    node.title = node.textContent;
    node.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long", hour12: false });
  });
  theme.hidden = false;
  label();
  return { byId, el, svg, icon, say, human, listen, tones };
})();
