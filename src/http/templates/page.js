// Replaces the page's content with what the server renders, once a second. Without this file the page reloads itself.
"use strict";
const content = document.getElementById("content");
const root = document.documentElement.classList;
const gravest = ["down", "prober_fault", "degraded", "unknown", "ok"];
let silence;

// No news for a while is no good news: what is shown is old, and looks it.
function expectNews() {
  clearTimeout(silence);
  silence = setTimeout(() => root.add("stale"), 5000);
}

function show(html) {
  // Focus, and how far a table was scrolled, outlive the replacement.
  const focus = content.contains(document.activeElement) && document.activeElement.getAttribute("href");
  const scrolled = [...content.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  content.innerHTML = html;
  content.querySelectorAll(".scroll").forEach((box, index) => { box.scrollLeft = scrolled[index] || 0; });
  const link = focus && [...content.querySelectorAll("a")].find((a) => a.getAttribute("href") === focus);
  if (link) link.focus({ preventScroll: true });
  const title = gravest.map((state) => content.querySelector(`.verdict.${state} h1`)).find((h1) => h1);
  if (title) document.title = title.textContent + " · kafka-heartbeat";
}

function watch() {
  const source = new EventSource("events");
  source.onmessage = (event) => {
    expectNews();
    root.remove("stale");
    // Replacing would take a selection away; the page says that it waits.
    const selected = !document.getSelection().isCollapsed;
    root.toggle("paused", selected);
    if (!selected) show(event.data);
  };
  source.onerror = () => {
    root.add("stale");
    // The browser comes back by itself, except after a refusal.
    if (source.readyState === EventSource.CLOSED) setTimeout(watch, 5000);
  };
}

expectNews();
watch();
