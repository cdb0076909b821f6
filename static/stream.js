// One connection to the server's events while the page is seen, polling when there is none to be had.
//
// Everything that arrives carries the journal's sequence number; the highest one seen is where the next
// connection or poll goes on from. At any time there is at most one event source, one poll and one timer.

import { UNATTENDED, reloadUnattended } from "./unattended.js";

const POLL_MS = 4000;
const POLL_SLOWEST_MS = 15000;
const RETRY_STREAM_MS = 30000;
const SILENCE_MS = 45000;
const GRACE_MS = 4000;
const RELOAD_AT_MOST_EVERY_MS = 10000;

export function follow({ liveUrl, pollUrl, cursor, onState, onEvent, onPoll, pollMs = POLL_MS }) {
  let source = null;
  let poll = null;
  let timer = null;
  let pollAfterMs = pollMs;
  let retryStreamAt = 0;
  let state = "connecting";

  function say(name) {
    state = name;
    onState(name);
  }

  function stop() {
    source?.close();
    source = null;
    poll?.abort();
    poll = null;
    clearTimeout(timer);
    timer = null;
  }

  function connect() {
    stop();
    retryStreamAt = performance.now() + RETRY_STREAM_MS;
    const opened = new EventSource(since(liveUrl, cursor));
    source = opened;
    let breaking = false;
    const heard = () => {
      breaking = false;
      pollAfterMs = pollMs;
      say("live");
      clearTimeout(timer);
      timer = setTimeout(lost, SILENCE_MS);
    };
    timer = setTimeout(lost, SILENCE_MS);
    opened.onopen = heard;
    opened.onerror = () => {
      if (opened.readyState === EventSource.CLOSED) return lost();
      // Every try that fails comes by here again: only the first one starts the time after which it is lost.
      if (breaking) return undefined;
      breaking = true;
      clearTimeout(timer);
      timer = setTimeout(lost, GRACE_MS);
      return undefined;
    };
    opened.addEventListener("reload", reload);
    for (const [name, receive] of Object.entries(onEvent)) {
      opened.addEventListener(name, (event) => {
        if (opened !== source) return;
        heard();
        const seq = Number(event.lastEventId) || cursor;
        receive(JSON.parse(event.data), seq);
        cursor = Math.max(cursor, seq);
      });
    }
  }

  function lost() {
    stop();
    if (state !== "polling") say("reconnecting");
    if (pollUrl) return pollOnce();
    pollAfterMs = Math.min(pollAfterMs * 2, POLL_SLOWEST_MS);
    return again(connect);
  }

  async function pollOnce() {
    stop();
    const asked = new AbortController();
    poll = asked;
    try {
      const answer = await fetch(since(pollUrl, cursor), { signal: asked.signal, redirect: "manual", headers: UNATTENDED });
      if (signedOutOrTooFar(answer)) return reload();
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const seq = await onPoll(await answer.text(), cursor);
      if (asked.signal.aborted) return undefined;
      cursor = Math.max(cursor, seq);
      pollAfterMs = pollMs;
      say("polling");
    } catch {
      if (asked.signal.aborted) return undefined;
      pollAfterMs = Math.min(pollAfterMs * 2, POLL_SLOWEST_MS);
      say("reconnecting");
    }
    return again(performance.now() >= retryStreamAt ? connect : pollOnce);
  }

  function again(next) {
    clearTimeout(timer);
    timer = setTimeout(next, pollAfterMs);
  }

  function seen() {
    if (document.hidden) {
      stop();
      say("paused");
    } else {
      pollAfterMs = pollMs;
      say("connecting");
      connect();
    }
  }

  document.addEventListener("visibilitychange", seen);
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => event.persisted && seen());
  window.addEventListener("online", () => document.hidden || connect());
  seen();
}

function since(url, cursor) {
  const full = new URL(url, document.baseURI);
  full.searchParams.set("since", cursor);
  return full;
}

function signedOutOrTooFar(answer) {
  return answer.type === "opaqueredirect" || [205, 401, 410].includes(answer.status);
}

function reload() {
  const last = Number(sessionStorage.getItem("reloaded-at") ?? 0);
  const waitMs = Math.max(0, last + RELOAD_AT_MOST_EVERY_MS - Date.now());
  setTimeout(() => {
    sessionStorage.setItem("reloaded-at", Date.now());
    reloadUnattended();
  }, waitMs);
}
