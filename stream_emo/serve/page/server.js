// The server's HTTP interface: requests, and the stream of events with resumption.

const RETRY_MS = [500, 1000, 2000, 4000, 8000];

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export function url(path) {
  return new URL(path, document.baseURI);
}

export const token = {
  get: () => { try { return sessionStorage.getItem("token") || ""; } catch { return ""; } },
  set: (value) => { try { sessionStorage.setItem("token", value); } catch { /* kept for this page only */ } },
};

function headers(more) {
  return token.get() ? { ...more, Authorization: `Bearer ${token.get()}` } : { ...more };
}

/** Returns the parsed answer, null where it is empty; throws ApiError with what the server said. */
export async function request(method, path, body) {
  const raw = body instanceof Blob;
  let response;
  try {
    response = await fetch(url(path), {
      method,
      headers: headers(body && !raw ? { "Content-Type": "application/json" } : {}),
      body: body && !raw ? JSON.stringify(body) : body,
    });
  } catch {
    throw new ApiError("The server cannot be reached.", 0);
  }
  const text = await response.text();
  let answer = null;
  try { answer = text ? JSON.parse(text) : null; } catch { answer = { error: text }; }
  if (!response.ok) {
    if (response.status === 401) document.dispatchEvent(new CustomEvent("token-wanted"));
    const said = answer?.error ?? answer?.detail ?? response.statusText;
    throw new ApiError(String(said?.message ?? said), response.status);
  }
  return answer;
}

/**
 * Follows Server-Sent Events until `signal` is aborted, reconnecting after the last event received.
 * `fetch`, not EventSource, because only it can send a token. Calls onEvents(list of events, number of the last), onState("open" | "closed"),
 * and onMissed() when the server no longer has all that happened in between.
 */
export async function follow(path, { after = null, signal, onEvents, onState, onMissed }) {
  let last = after, failures = 0;
  while (!signal.aborted) {
    try {
      const response = await fetch(url(path), {
        headers: headers({ Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": String(last) }) }),
        signal,
        cache: "no-store",
      });
      if (response.status === 401) document.dispatchEvent(new CustomEvent("token-wanted"));
      if (response.status === 404) return;
      if (!response.ok) throw new ApiError(response.statusText, response.status);
      onState?.("open");
      failures = 0;
      last = await readStream(response.body, last, onEvents, onMissed);
    } catch {
      if (signal.aborted) return;
    }
    onState?.("closed");
    await new Promise((wake) => setTimeout(wake, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]));
  }
}

async function readStream(body, last, onEvents, onMissed) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return last;
      const blocks = (rest + value.replaceAll("\r\n", "\n")).split("\n\n");
      rest = blocks.pop();
      const events = [];
      for (const block of blocks) {
        const data = [];
        let kind = "message";
        for (const line of block.split("\n")) {
          if (line.startsWith("id:")) last = line.slice(3).trim();
          else if (line.startsWith("event:")) kind = line.slice(6).trim();
          else if (line.startsWith("data:")) data.push(line.slice(5));
        }
        if (kind === "missed") onMissed?.();
        else if (kind === "message" && data.length) events.push(JSON.parse(data.join("\n")));
      }
      if (events.length) onEvents(events, last);
    }
  } catch (error) {
    // The number of the last event survives a broken connection.
    if (error.name === "AbortError") throw error;
    return last;
  }
}
