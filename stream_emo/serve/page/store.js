// All calls that the page knows: the server's list, brought up to date by the stream of events.

import { follow, request } from "./server.js";
import { CallModel } from "./model.js";

const LIST_EVERY_MS = 5000;
const HIDDEN_MS = 20_000;
const TREND_CALL_MS = 30 * 60 * 1000;
const STREAM_WAIT_MS = 300;

export class Store extends EventTarget {
  constructor() {
    super();
    this.items = new Map();  // call id -> entry of GET /api/calls
    this.models = new Map();  // call id -> CallModel
    this.state = "connecting";
    this.listed = false;
    this.problem = null;
    this.last = null;  // number of the newest event in the server's log
    this.following = new Promise((resolve) => { this.isFollowing = resolve; });
  }

  model(id) {
    if (!this.models.has(id)) this.models.set(id, new CallModel(id));
    return this.models.get(id);
  }

  start() {
    this.#list();
    setInterval(() => this.#list(), LIST_EVERY_MS);
    document.addEventListener("visibilitychange", () => this.#visibility());
    this.#follow();
  }

  /** A browser allows few connections to a server: pages out of sight give theirs back and catch up later. */
  #visibility() {
    clearTimeout(this.leaving);
    if (document.visibilityState === "hidden") this.leaving = setTimeout(() => this.stream.abort(), HIDDEN_MS);
    else if (this.stream.signal.aborted) this.#follow();
  }

  #follow() {
    this.stream = new AbortController();
    follow("api/events", {
      after: this.last,
      signal: this.stream.signal,
      onEvents: (events, last) => { this.last = last; this.fold(events); },
      onState: (state) => {
        this.state = state;
        this.#changed();
        if (state === "open") { this.isFollowing(); this.#list(); }
      },
      onMissed: () => { for (const model of this.models.values()) if (model.loaded) this.load(model.id).catch(() => {}); },
    });
  }

  /** Takes in events of any calls. */
  fold(events) {
    let unknown = false;
    for (const event of events) {
      const model = this.model(event.session), had = model.alerts.length;
      model.fold(event);
      unknown ||= !this.items.has(event.session) || event.type === "stop";
      if (model.alerts.length > had && event.state === "raised" && this.listed) {
        this.dispatchEvent(new CustomEvent("alert", { detail: { model, alert: event } }));
      }
    }
    if (unknown) this.#list();
    this.#changed();
  }

  /** Loads what happened in a call before the page was opened; resolves to its model. */
  async load(id) {
    // Nothing falls between the past and the stream when the stream comes first.
    await Promise.race([this.following, new Promise((wake) => setTimeout(wake, STREAM_WAIT_MS))]);
    const [item, timeline] = await Promise.all([
      request("GET", `api/calls/${encodeURIComponent(id)}`),
      request("GET", `api/calls/${encodeURIComponent(id)}/timeline`),
    ]);
    this.items.set(id, item);
    const model = this.model(id);
    model.describe(item.channels ?? []);
    for (const event of Array.isArray(timeline) ? timeline : timeline.events ?? []) model.fold(event);
    model.startedAt ??= item.started_at;
    model.purpose ??= item.purpose;
    model.loaded = true;
    this.#changed();
    return model;
  }

  /** Loads the past of the live calls one after the other, for the small courses in the list; long calls are left out. */
  async loadTrends() {
    this.trendsWanted = true;
    if (this.loadingTrends || !this.listed) return;
    this.loadingTrends = true;
    for (const { id, started_at } of this.sorted.filter((item) => item.live)) {
      if (!this.trendsWanted) break;
      if (this.model(id).loaded || Date.now() - Date.parse(started_at) > TREND_CALL_MS) continue;
      await this.load(id).catch(() => {});
    }
    this.loadingTrends = false;
  }

  /** The calls, who needs attention first; ended ones after the live ones, newest first. */
  get sorted() {
    return [...this.items.values()].sort((a, b) =>
      b.live - a.live || (a.live ? this.#step(b) - this.#step(a) : 0) || b.started_at.localeCompare(a.started_at));
  }

  /** Resolves once the server lists a call; throws when it does not for so long. */
  known(id, withinMs = 8000) {
    return new Promise((resolve, reject) => {
      const look = () => { if (this.items.has(id)) done(resolve); };
      const late = setTimeout(() => done(() => reject(new Error("The server did not begin the call."))), withinMs);
      const done = (finish) => { clearTimeout(late); this.removeEventListener("change", look); finish(); };
      this.addEventListener("change", look);
      this.#list();
      look();
    });
  }

  /** Attention in steps, so that calls do not change places at every word; an alert counts at once. */
  #step({ id, attention }) {
    return this.models.get(id)?.activeAlerts.length ? 5 : Math.round(5 * attention);
  }

  forget(id) {
    this.items.delete(id);
    this.models.delete(id);
    this.#changed();
  }

  async #list() {
    try {
      const answer = await request("GET", "api/calls");
      const calls = Array.isArray(answer) ? answer : answer.calls;
      this.items = new Map(calls.map((item) => [item.id, item]));
      for (const item of calls) this.model(item.id).describe(item.channels ?? []);
      for (const id of this.models.keys()) if (!this.items.has(id) && !this.models.get(id).loaded) this.models.delete(id);
      this.listed = true;
      this.problem = null;
      if (this.trendsWanted) this.loadTrends();
    } catch (error) {
      this.problem = error;
    }
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
