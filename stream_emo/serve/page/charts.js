// The three pictures of a call over one time axis, drawn by uPlot: emotion course, valence and arousal, who speaks.

/* global uPlot */
import { EMOTIONS, clock, sideClass } from "./format.js";

const FONT = "12px system-ui, sans-serif";
const AXIS_WIDTH = 64;

const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);
const colours = new Map();

/** The colour of a custom property in the present theme, as a canvas takes it. */
export function colour(name, alpha = 1) {
  const key = `${name}/${alpha}`;
  if (!colours.has(key)) {
    probe.style.color = `color-mix(in srgb, var(${name}) ${100 * alpha}%, transparent)`;
    colours.set(key, getComputedStyle(probe).color);
  }
  return colours.get(key);
}

/** To be called when the theme has changed. */
export function forgetColours() {
  colours.clear();
}

class Picture {
  /** `view` says which time is shown: {range: () => [start, end], marker: () => time or null, pick, hover}. */
  constructor(element, view, height, options, data) {
    this.element = element;
    this.view = view;
    this.height = height;
    const { axes, scales, series, bands, draw, xAxis } = options;
    this.plot = new uPlot({
      width: Math.max(200, element.clientWidth),
      height,
      padding: [6, 18, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "call" }, drag: { x: false, y: false }, points: { show: false }, y: false },
      scales: { x: { time: false, range: () => view.range() }, ...scales },
      axes: [timeAxis(xAxis), ...axes],
      series: [{}, ...series],
      bands,
      hooks: {
        drawClear: draw ? [(plot) => clipped(plot, draw)] : [],
        draw: [(plot) => clipped(plot, (inner) => drawMarker(inner, view.marker()))],
        setCursor: [(plot) => view.hover(plot.cursor.left >= 0 ? plot.posToVal(plot.cursor.left, "x") : null)],
      },
    }, data, element);
    this.#scrub(this.plot.over);
    this.resizing = new ResizeObserver(() => {
      if (element.clientWidth && element.clientWidth !== this.plot.width) {
        this.plot.setSize({ width: element.clientWidth, height });
      }
    });
    this.resizing.observe(element);
  }

  set(data) {
    this.plot.setData(data);
  }

  destroy() {
    this.resizing.disconnect();
    this.plot.destroy();
  }

  /** Pressing and dragging chooses the moment. */
  #scrub(over) {
    const pick = (event) => this.view.pick(this.plot.posToVal(event.clientX - over.getBoundingClientRect().left, "x"));
    over.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      over.setPointerCapture(event.pointerId);
      pick(event);
    });
    over.addEventListener("pointermove", (event) => { if (over.hasPointerCapture(event.pointerId)) pick(event); });
  }
}

function timeAxis(shown) {
  return {
    show: true,
    size: shown ? 26 : 6,
    stroke: () => colour("--ink-soft"),
    grid: { show: !shown, stroke: () => colour("--line"), width: 1 },
    ticks: { show: false },
    font: FONT,
    space: 70,
    incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200],
    values: (plot, times) => times.map((time) => (shown && time >= 0 ? clock(time) : "")),
  };
}

function valueAxis(splits, values) {
  return {
    size: AXIS_WIDTH, stroke: () => colour("--ink-soft"), font: FONT, gap: 4, ticks: { show: false },
    grid: { stroke: () => colour("--line"), width: 1 },
    splits: () => splits, values: () => values,
  };
}

function clipped(plot, draw) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw(plot);
  ctx.restore();
}

function drawMarker(plot, time) {
  if (time === null) return;
  const { ctx, bbox } = plot, x = Math.round(plot.valToPos(time, "x", true)) + 0.5;
  ctx.strokeStyle = colour("--ink");
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
}

/** Shares of the emotions, stacked: what most needs an answer stands on the base line. */
export class EmotionChart extends Picture {
  constructor(element, view, height) {
    // The highest of the stack is drawn first and the lower ones over it.
    const series = EMOTIONS.map((name) => ({
      stroke: () => colour("--surface"), width: 1, fill: () => colour(`--area-${name}`), points: { show: false },
    })).reverse();
    super(element, view, height, {
      series, scales: { y: { range: [0, 1] } }, axes: [valueAxis([0, 0.5, 1], ["0 %", "50 %", "100 %"])],
    }, [[], ...EMOTIONS.map(() => [])]);
  }

  show(points) {
    const total = new Array(points.times.length).fill(0);
    const stack = points.shares.map((share) => share.map((value, index) => (total[index] += value)));
    this.set([points.times, ...stack.reverse()]);
  }
}

/** Valence (solid) and arousal (dashed), each in a band of one standard deviation. */
export class AffectChart extends Picture {
  constructor(element, view, height) {
    const line = (name, dash) => ({ stroke: () => colour(name), width: 2, dash, points: { show: false } });
    const edge = { width: 0, points: { show: false } };
    super(element, view, height, {
      series: [edge, edge, edge, edge, line("--valence"), line("--arousal", [6, 4])],
      bands: [
        { series: [1, 2], fill: () => colour("--valence", 0.12) },
        { series: [3, 4], fill: () => colour("--arousal", 0.12) },
      ],
      scales: { y: { range: [-1, 1] } },
      axes: [valueAxis([-1, 0, 1], ["−1", "0", "+1"])],
    }, [[], [], [], [], [], [], []]);
  }

  show(points) {
    const shifted = (values, deviations, sign) =>
      values.map((value, index) => Math.max(-1, Math.min(1, value + sign * deviations[index])));
    this.set([
      points.times,
      shifted(points.valence, points.valenceStd, 1), shifted(points.valence, points.valenceStd, -1),
      shifted(points.arousal, points.arousalStd, 1), shifted(points.arousal, points.arousalStd, -1),
      points.valence, points.arousal,
    ]);
  }
}

/** Who speaks when: a lane for each side; overlaps, lost audio and alerts are marked. */
export class LaneChart extends Picture {
  constructor(element, view, height, model) {
    super(element, view, height, {
      series: [{ show: false }],
      scales: { y: { range: [0, 1] } },
      axes: [{ show: true, size: AXIS_WIDTH, ticks: { show: false }, grid: { show: false }, splits: () => [], values: () => [] }],
      draw: (plot) => drawLanes(plot, model),
      xAxis: true,
    }, [[0, 1], [0, 0]]);
  }

  show() {
    this.plot.redraw(true, true);
    this.plot.setScale("x", {});
  }
}

function drawLanes(plot, model) {
  const { ctx, bbox } = plot, [from, to] = [plot.scales.x.min, plot.scales.x.max];
  const sides = model.sides, alertsHeight = bbox.height * 0.16;
  const lane = (bbox.height - alertsHeight) / Math.max(1, sides.length);
  const x = (time) => plot.valToPos(time, "x", true);
  sides.forEach((side, row) => {
    const top = bbox.top + alertsHeight + row * lane + lane * 0.14, height = lane * 0.72;
    ctx.fillStyle = colour("--track");
    ctx.fillRect(bbox.left, top, bbox.width, height);
    ctx.fillStyle = colour(`--${sideClass(side)}`);
    for (const { start, end } of visible(side, from, to)) {
      const left = x(start), width = Math.max(devicePixelRatio, x(end ?? model.time) - left);
      ctx.fillRect(left, top, width, height);
    }
    for (const gap of side.gaps.values()) {
      if (gap.end >= from && gap.start <= to) hatch(ctx, x(gap.start), top, Math.max(3, x(gap.end) - x(gap.start)), height);
    }
  });
  ctx.fillStyle = colour("--act");
  for (const alert of model.alerts) {
    const until = alert.until ?? model.time;
    if (until < from || alert.since > to) continue;
    const left = x(alert.since);
    ctx.fillRect(left, bbox.top, Math.max(4, x(until) - left), alertsHeight * 0.6);
  }
}

/** The segments of a side within a stretch of time; they are in order, so the first is looked up. */
export function visible(side, from, to) {
  const segments = side.turns;
  let low = 0, high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((segments[middle].end ?? Infinity) < from) low = middle + 1; else high = middle;
  }
  const result = [];
  for (; low < segments.length && segments[low].start <= to; low++) result.push(segments[low]);
  return result;
}

/** Lost audio: crossed lines, so that it does not depend on colour. */
function hatch(ctx, left, top, width, height) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  ctx.fillStyle = colour("--surface");
  ctx.fillRect(left, top, width, height);
  ctx.strokeStyle = colour("--ink-soft");
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (let at = left - height; at < left + width; at += 5 * devicePixelRatio) {
    ctx.moveTo(at, top + height);
    ctx.lineTo(at + height, top);
  }
  ctx.stroke();
  ctx.restore();
}

/** The whole call in one strip, valence below or above the middle, behind the slider. */
export function drawOverview(canvas, model, side, window) {
  const scale = devicePixelRatio, width = canvas.clientWidth * scale, height = canvas.clientHeight * scale;
  if (!width) return;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const ctx = canvas.getContext("2d"), duration = Math.max(1, model.time), x = (time) => (time / duration) * width;
  ctx.clearRect(0, 0, width, height);
  ctx.fillStyle = colour("--track");
  ctx.fillRect(0, 0, width, height);
  const points = side.course.window(0, duration, 300);
  points.times.forEach((time, index) => {
    const next = points.times[index + 1] ?? duration, value = points.valence[index];
    ctx.fillStyle = colour(value < 0 ? "--unpleasant" : "--pleasant");
    const tall = Math.min(1, Math.abs(value)) * (height / 2);
    ctx.fillRect(x(time), value < 0 ? height / 2 : height / 2 - tall, Math.max(1, x(next) - x(time)), tall);
  });
  ctx.fillStyle = colour("--act");
  for (const alert of model.alerts) {
    ctx.fillRect(x(alert.since), height - 3 * scale, Math.max(2 * scale, x(alert.until ?? duration) - x(alert.since)), 3 * scale);
  }
  const [from, to] = window;
  ctx.strokeStyle = colour("--ink");
  ctx.lineWidth = 1.5 * scale;
  ctx.strokeRect(Math.max(scale, x(Math.max(0, from))), scale, Math.min(width, x(to)) - Math.max(0, x(Math.max(0, from))) - 2 * scale, height - 2 * scale);
}
