// What one call has come to: a fold over its events, in any order and any number of times the same.

import { Course } from "./course.js";

class Channel {
  constructor(number) {
    this.number = number;
    this.role = null;
    this.scored = null;
    this.start = null;
    this.segments = new Map();  // utterance -> {utterance, start, end}; end is null while it goes on
    this.turns = [];  // the same, in order of time
    this.utterances = new Map();  // utterance -> its newest score
    this.course = new Course();
    this.gaps = new Map();  // start -> gap
    this.stats = null;
    this.dynamics = null;
    this.latency = null;
    this.droppedMs = 0;
    this.latest = null;  // the newest rolling state, and when it was
    this.stop = null;
    this.errors = [];
  }

  get speaking() {
    return this.speakingSince !== null;
  }

  get speakingSince() {
    const last = this.turns[this.turns.length - 1];
    return last && last.end === null && !this.stop ? last.start : null;
  }
}

export class CallModel {
  constructor(id) {
    this.id = id;
    this.channels = new Map();
    this.alerts = [];
    this.time = 0;
    this.startedAt = null;
    this.purpose = null;
    this.version = 0;  // grows with every event: views look at it to see whether anything changed
    this.changed = new Set();  // utterances that changed since a view last cleared it: "channel:utterance"
  }

  channel(number) {
    if (!this.channels.has(number)) this.channels.set(number, new Channel(number));
    return this.channels.get(number);
  }

  /** The channels in order: the customer's first, then other scored ones. */
  get sides() {
    return [...this.channels.values()].sort((a, b) => first(b) - first(a) || a.number - b.number);
  }

  get scoredSides() {
    return this.sides.filter((side) => side.scored !== false && (side.course.times.length || side.scored));
  }

  get live() {
    const sides = [...this.channels.values()];
    return !sides.length || sides.some((side) => !side.stop);
  }

  get activeAlerts() {
    return this.live ? this.alerts.filter((alert) => alert.until === null) : [];
  }

  /** Names of channels as the list of calls gives them, where the start event is not at hand. */
  describe(channels) {
    for (const { channel, role, scored } of channels) {
      const side = this.channel(channel);
      side.role ??= role;
      side.scored ??= scored;
    }
  }

  fold(event) {
    const side = this.channel(event.channel);
    this.version++;
    if (event.time > this.time) this.time = event.time;
    FOLDS[event.type]?.(this, side, event);
  }
}

function first(side) {
  return side.scored === false ? 0 : side.role === "customer" ? 2 : 1;
}

const FOLDS = {
  start(call, side, event) {
    side.start = event;
    side.role = event.role;
    side.scored = event.scored ?? true;
    call.startedAt ??= event.started_at;
    call.purpose = event.purpose ?? call.purpose;
  },
  speech(call, side, event) {
    segment(side, event.utterance, event.time, null);
    call.changed.add(`${side.number}:${event.utterance}`);
  },
  silence(call, side, event) {
    segment(side, event.utterance, null, event.time);
    call.changed.add(`${side.number}:${event.utterance}`);
  },
  score(call, side, event) {
    const known = side.utterances.get(event.utterance);
    if (known && known.revision > event.revision) return;
    side.utterances.set(event.utterance, event);
    segment(side, event.utterance, event.start, event.final ? event.end : null);
    if (event.rolling) roll(side, event.time, event.rolling);
    if (event.latency_ms !== null) side.latency = event.latency_ms;
    side.droppedMs = Math.max(side.droppedMs, event.dropped_ms);
    call.changed.add(`${side.number}:${event.utterance}`);
  },
  gap(call, side, event) {
    side.gaps.set(event.start, event);
  },
  stats(call, side, event) {
    if (side.stats && side.stats.time > event.time) return;
    side.stats = event;
    if (event.rolling) roll(side, event.time, event.rolling);
  },
  dynamics(call, side, event) {
    if (!side.dynamics || side.dynamics.time <= event.time) side.dynamics = event;
  },
  alert(call, side, event) {
    const same = (alert) => alert.rule === event.rule && alert.channel === event.channel;
    if (event.state === "raised") {
      if (call.alerts.some((alert) => same(alert) && alert.time === event.time)) return;
      call.alerts.push({ ...event, until: null });
      call.alerts.sort((a, b) => a.time - b.time);
    } else {
      const raised = call.alerts.findLast((alert) => same(alert) && alert.time <= event.time);
      if (raised) raised.until ??= event.time;
    }
  },
  error(call, side, event) {
    if (!side.errors.some((known) => known.time === event.time && known.message === event.message)) side.errors.push(event);
  },
  stop(call, side, event) {
    side.stop = event;
    if (event.stats) FOLDS.stats(call, side, event.stats);
    for (const alert of call.alerts) if (alert.channel === side.number) alert.until ??= event.time;
  },
};

function segment(side, utterance, start, end) {
  let known = side.segments.get(utterance);
  if (!known) {
    known = { utterance, start: start ?? end, end };
    side.segments.set(utterance, known);
    let at = side.turns.length;
    while (at && side.turns[at - 1].utterance > utterance) at--;
    side.turns.splice(at, 0, known);
  }
  if (start !== null) known.start = Math.min(known.start, start);
  if (end !== null) known.end = end;
}

function roll(side, time, rolling) {
  side.course.add(time, rolling);
  if (!side.latest || time >= side.latest.time) side.latest = { time, ...rolling };
}
