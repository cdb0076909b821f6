// Keeps the page as the server sees it: wires the stream of events to the rows, the parts and the freshness line.

import { AT_MOST_EVERY_MS, askingAnew, calmParts } from "./anew.js";
import { freshnessLine } from "./freshness.js";
import { replaceParts, refreshParts } from "./parts.js";
import { liveRows } from "./rows.js";
import { follow } from "./stream.js";
import { UNATTENDED } from "./unattended.js";

const page = document.querySelector("[data-live-url]");

if (page) start(page);

function start(root) {
  const line = freshnessLine(document.querySelector("[data-freshness]"));
  const parts = (root.dataset.parts ?? "").split(" ");
  const kept = "anewS" in root.dataset ? partsAskedFor(root, parts) : toldOf(root, parts);
  follow({
    liveUrl: root.dataset.liveUrl,
    pollUrl: root.dataset.rowsUrl ?? root.dataset.partsUrl ?? null,
    cursor: Number(root.dataset.cursor ?? 0),
    onState: line.state,
    ...kept,
    onEvent: { ...kept.onEvent, freshness: (word) => line.webhookAge(word.webhook_age_s) },
  });
}

// The stream says that something moved, and the parts are asked for, at least every `anewS` seconds where that is set.
function partsAskedFor(root, parts) {
  const take = calmParts(parts);
  const everyMs = Number(root.dataset.anewS) * 1000;
  const moved = askingAnew({ url: root.dataset.partsUrl, everyMs, take: (html) => take(html, 0) });
  return { onEvent: { moved }, onPoll: take, pollMs: AT_MOST_EVERY_MS };
}

// The stream brings rows and parts.
function toldOf(root, parts) {
  const rows = liveRows(root);

  // Changed rows are cheap to ask for; the parts beside them are fetched only when one of them came.
  async function takePolled(html, seq) {
    if (!root.dataset.rowsUrl) return refreshParts(html, parts, seq);
    const polledSeq = rows.applyPolled(html);
    if (root.dataset.partsUrl && html.includes("<tr")) {
      const answer = await fetch(root.dataset.partsUrl, { headers: UNATTENDED });
      if (answer.ok) refreshParts(await answer.text(), parts, polledSeq);
    }
    return polledSeq;
  }

  return {
    onEvent: { row: rows.apply, detail: (change, seq) => replaceParts(change.html, seq) },
    onPoll: takePolled,
  };
}
