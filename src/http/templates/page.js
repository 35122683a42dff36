// Replaces the content of the page with the updates of the server, once a second. Without scripts the page reloads itself.
"use strict";
const content = document.getElementById("content");
const root = document.documentElement.classList;
const gravestFirst = ["down", "prober_fault", "degraded", "unknown", "ok"];
let staleTimer;

// When no update has come for five seconds, the content is stale and is shown faded.
function expectNews() {
  clearTimeout(staleTimer);
  staleTimer = setTimeout(() => root.add("stale"), 5000);
}

function show(html) {
  // Keeps the focus, and how far each table was scrolled.
  const focus = content.contains(document.activeElement) && document.activeElement.getAttribute("href");
  const scrolled = [...content.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  content.innerHTML = html;
  content.querySelectorAll(".scroll").forEach((box, index) => { box.scrollLeft = scrolled[index] || 0; });
  const link = focus && [...content.querySelectorAll("a")].find((a) => a.getAttribute("href") === focus);
  if (link) link.focus({ preventScroll: true });
  const title = gravestFirst.map((state) => content.querySelector(`.verdict.${state} h1`)).find((h1) => h1);
  if (title) document.title = title.textContent + " · kafka-heartbeat";
}

function watch() {
  const source = new EventSource("events");
  source.onmessage = (event) => {
    expectNews();
    root.remove("stale");
    // Replacing the content would remove a selection of text; the footer says that the page waits.
    const selected = !document.getSelection().isCollapsed;
    root.toggle("paused", selected);
    if (!selected) show(event.data);
  };
  source.onerror = () => {
    root.add("stale");
    // The browser connects again by itself, except after a refusal.
    if (source.readyState === EventSource.CLOSED) setTimeout(watch, 5000);
  };
}

expectNews();
watch();
