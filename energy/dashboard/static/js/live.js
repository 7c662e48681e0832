// One event stream per browser: the tab that holds the lock reads it and passes events on.
// Browsers allow six connections per host, so a stream per tab would stop the seventh tab.
const LOCK = "microgrid-live";
const KINDS = ["cycle", "ledger", "alarm", "dr", "rules", "steering", "beat", "reload"];
const REFUSED = "refused";
const SILENT_MS = 20_000;
const LOST_MS = 60_000;
const RETRY_MS_MAX = 30_000;

export function connectLive(url, onEvent, onStatus) {
  let heardMs = Date.now();
  let status = "connecting";
  const say = (next) => { if (next !== status) { status = next; onStatus(next); } };
  const hear = (message) => {
    // Of a stream that is refused, mostly for a session that is over, the page hears when it asks.
    if (message.kind === REFUSED) { onEvent({ kind: "reload", data: null }); return; }
    heardMs = Date.now();
    say("live");
    onEvent(message);
  };
  setInterval(() => {
    const silentMs = Date.now() - heardMs;
    if (silentMs > LOST_MS) say("lost");
    else if (silentMs > SILENT_MS) say("reconnecting");
  }, 1000);
  if (navigator.locks && window.BroadcastChannel) shareStream(url, hear);
  else streamWhileVisible(url, hear);
}

function shareStream(url, hear) {
  const channel = new BroadcastChannel(LOCK);
  channel.onmessage = (event) => hear(event.data);
  navigator.locks.request(LOCK, () => {
    openStream(url, (message) => { hear(message); channel.postMessage(message); });
    return new Promise(() => {});  // held until the tab goes; then the next one leads
  });
}

function streamWhileVisible(url, hear) {
  let close = null;
  const follow = () => {
    if (document.hidden) { close?.(); close = null; }
    else if (!close) close = openStream(url, hear);
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}

function openStream(url, hear) {
  let source, timer, lastId = null, waitMs = 1000, broken = false, closed = false;
  const open = () => {
    source = new EventSource(lastId === null ? url : `${url}?after=${encodeURIComponent(lastId)}`);
    source.onopen = () => {
      waitMs = 1000;
      // What was missed while the line was down may be older than what the server keeps.
      hear({ kind: broken ? "reload" : "open", data: null });
      broken = false;
    };
    source.onerror = () => {
      broken = true;
      if (source.readyState !== EventSource.CLOSED || closed) return;
      hear({ kind: REFUSED, data: null });
      // After an HTTP error the browser never tries again by itself.
      timer = setTimeout(open, waitMs);
      waitMs = Math.min(2 * waitMs, RETRY_MS_MAX);
    };
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        if (event.lastEventId) lastId = event.lastEventId;
        hear({ kind, data: event.data ? JSON.parse(event.data) : null });
      });
    }
  };
  open();
  return () => { closed = true; clearTimeout(timer); source.close(); };
}
