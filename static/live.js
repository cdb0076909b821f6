// Keeps the page as the server sees it: wires the stream of events to the rows, the parts and the freshness line.

import { freshnessLine } from "./freshness.js";
import { replaceParts, refreshParts } from "./parts.js";
import { liveRows } from "./rows.js";
import { follow } from "./stream.js";
import { UNATTENDED } from "./unattended.js";

const page = document.querySelector("[data-live-url]");

if (page) start(page);

function start(root) {
  const line = freshnessLine(document.querySelector("[data-freshness]"));
  const rows = liveRows(root);
  const parts = (root.dataset.parts ?? "").split(" ");

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
    onPoll: takePolled,
  });
}
