// Words and numbers as people read them.

/** The label set, from what most needs an answer to what least does: the order in which shares are stacked. */
export const EMOTIONS = ["angry", "disgusted", "fearful", "sad", "surprised", "happy", "neutral"];

export function emotionName(label) {
  return label ? label[0].toUpperCase() + label.slice(1) : "Unclear";
}

export function roleName(role, channel) {
  return role ? role[0].toUpperCase() + role.slice(1) : `Channel ${channel + 1}`;
}

/** Which of the two colours of lanes and bars a side has. */
export function sideClass({ role, scored }) {
  return role === "customer" || (scored !== false && role !== "agent") ? "customer" : "agent";
}

/** 75 -> "1:15", 3675 -> "1:01:15". */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60, rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** 75 -> "1 min 15 s": for sentences and screen readers. */
export function lasting(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** A number from -1 to 1 with its sign. */
export function signed(value) {
  const text = Math.abs(value).toFixed(2);
  return (Number(text) === 0 ? "" : value < 0 ? "−" : "+") + text;
}

export function timeOfDay(iso) {
  if (Number.isNaN(Date.parse(iso))) return "";
  return new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

export function dateAndTime(iso) {
  if (Number.isNaN(Date.parse(iso))) return "";
  return new Date(iso).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** Valence and arousal in words, the quadrants of the circumplex model of affect (Russell 1980). */
export function mood(valence, arousal) {
  const pleasant = valence > 0.15 ? "pleasant" : valence < -0.15 ? "unpleasant" : "";
  const excited = arousal > 0.15 ? "excited" : arousal < -0.15 ? "calm" : "";
  return [pleasant, excited].filter(Boolean).join(", ") || "balanced";
}

/** How much a call needs somebody, as level and word; an active alert always does. */
export function attentionLevel(attention, alerts) {
  if (alerts > 0 || attention >= 0.66) return { level: "act", word: "Needs attention" };
  if (attention >= 0.33) return { level: "watch", word: "Watch" };
  return { level: "calm", word: "Steady" };
}

/** Whole words of a rule's or field's name: "talks-over_customer" -> "Talks over customer". */
export function title(name) {
  const words = name.replace(/[_-]+/g, " ").trim();
  return words ? words[0].toUpperCase() + words.slice(1) : "";
}
