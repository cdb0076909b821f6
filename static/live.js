// Keeps the page as the server sees it: wires the stream of events to the rows, the parts and the freshness line.

import { freshnessLine } from "./freshness.js";
import { replaceParts, refreshParts } from "./parts.js";
import { liveRows } from "./rows.js";
import { follow } from "./stream.js";

const page = document.querySelector("[data-live-url]");

if (page) start(page);

function start(root) {
  const line = freshnessLine(document.querySelector("[data-freshness]"));
  const rows = liveRows(root);
  follow({
    liveUrl: root.dataset.liveUrl,
    pollUrl: root.dataset.rowsUrl ?? root.dataset.partsUrl ?? null,
    cursor: Number(root.dataset.cursor ?? 0),
    onState: line.state,
    onEvent: {
      row: rows.apply,
      detail: (change, seq) => replaceParts(change.html, seq),
      freshness: (word) => line.webhookAge(word.webhook_age_s),
    },
    onPoll: (html, seq) =>
      root.dataset.rowsUrl ? rows.applyPolled(html) : refreshParts(html, root.dataset.parts.split(" "), seq),
  });
}
