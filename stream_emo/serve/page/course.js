// The rolling state over time, in columns, so that hours of it are cheap to keep and to draw.

import { EMOTIONS } from "./format.js";

const STEP_S = 0.25;

export class Course {
  constructor() {
    this.times = [];
    this.shares = EMOTIONS.map(() => []);
    this.valence = [];
    this.arousal = [];
    this.valenceStd = [];
    this.arousalStd = [];
    this.labels = [];
  }

  get columns() {
    return [...this.shares, this.valence, this.arousal, this.valenceStd, this.arousalStd, this.labels];
  }

  /** Takes in the rolling state at a time; a later one for the same quarter of a second replaces it. */
  add(time, rolling) {
    const row = [
      ...EMOTIONS.map((name) => rolling.probabilities[name] ?? 0),
      rolling.valence, rolling.arousal, rolling.valence_std, rolling.arousal_std, rolling.label,
    ];
    const index = this.firstFrom(time - STEP_S / 2);
    const replaces = index < this.times.length && this.times[index] < time + STEP_S / 2 ? 1 : 0;
    const at = replaces ? this.times[index] : time;
    insert(this.times, index, replaces, at);
    this.columns.forEach((column, number) => insert(column, index, replaces, row[number]));
  }

  /** Index of the first point at or after `time`. */
  firstFrom(time) {
    const times = this.times;
    if (!times.length || times[times.length - 1] < time) return times.length;
    let low = 0, high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] < time) low = middle + 1; else high = middle;
    }
    return low;
  }

  /** The state at a time: the last point not later than it; null before the first. */
  at(time) {
    const index = this.firstFrom(time + 1e-6) - 1;
    if (index < 0) return null;
    return {
      time: this.times[index],
      probabilities: Object.fromEntries(EMOTIONS.map((name, number) => [name, this.shares[number][index]])),
      valence: this.valence[index], arousal: this.arousal[index],
      valence_std: this.valenceStd[index], arousal_std: this.arousalStd[index],
      label: this.labels[index],
    };
  }

  /** Since when the label of the point at `time` has held. */
  labelSince(time) {
    let index = this.firstFrom(time + 1e-6) - 1;
    while (index > 0 && this.labels[index - 1] === this.labels[index]) index--;
    return this.times[Math.max(0, index)] ?? time;
  }

  /** Points from `start` to `end` and one beyond each, at most about `most`: means of equal buckets of points beyond that. */
  window(start, end, most = 600) {
    const from = Math.max(0, this.firstFrom(start) - 1), to = Math.min(this.times.length, this.firstFrom(end) + 1);
    const size = Math.max(1, Math.ceil((to - from) / most));
    // Buckets begin at multiples of their size, so that the picture does not shimmer as the window moves.
    const first = size === 1 ? from : from - (from % size);
    const mean = (column) => (size === 1 ? column.slice(from, to) : means(column, first, to, size));
    return {
      times: mean(this.times), shares: this.shares.map(mean),
      valence: mean(this.valence), arousal: mean(this.arousal),
      valenceStd: mean(this.valenceStd), arousalStd: mean(this.arousalStd),
    };
  }
}

function insert(column, index, replaces, value) {
  if (index === column.length) column.push(value);
  else column.splice(index, replaces, value);
}

function means(column, first, to, size) {
  const result = [];
  for (let start = first; start < to; start += size) {
    const end = Math.min(start + size, column.length);
    let sum = 0;
    for (let index = start; index < end; index++) sum += column[index];
    result.push(sum / (end - start));
  }
  return result;
}
