// Replaces the page's content with what the server renders, once a second. Without this file the page reloads itself.
"use strict";
const content = document.getElementById("content");
const source = new EventSource("events");
source.onmessage = (event) => {
  document.documentElement.classList.remove("stale");
  // Whoever selects text or has focus inside is not disturbed.
  const selected = !document.getSelection().isCollapsed;
  if (selected || content.contains(document.activeElement)) return;
  content.innerHTML = event.data;
  const title = content.querySelector("h1");
  if (title) document.title = title.textContent + " · kafka-heartbeat";
};
source.onerror = () => document.documentElement.classList.add("stale");
