// The browser's own microphone as a call: 16-bit PCM over the server's audio socket.

import { token, url } from "./server.js";

export class Microphone extends EventTarget {
  constructor() {
    super();
    this.call = null;  // its id, while the microphone is on
    this.level = 0;  // root mean square of the newest block, 0 to 1
    this.problem = null;
  }

  /** Asks for the microphone and begins a call; resolves to its id, throws with a sentence that says what to do. */
  async start() {
    if (this.call) return this.call;
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("The browser gives a microphone only to pages on localhost or over HTTPS.");
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: false, autoGainControl: false } });
    } catch (error) {
      throw new Error(error.name === "NotFoundError" ? "There is no microphone." : "The microphone was not allowed; allow it in the address bar and try again.");
    }
    try {
      return await this.#open();
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  async #open() {
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule(url("recorder.js"));
    const id = `microphone-${new Date().toTimeString().slice(0, 8).replaceAll(":", "")}`;
    const address = url("audio");
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    if (token.get()) address.searchParams.set("token", token.get());
    const socket = this.socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onclose = (event) => reject(new Error(event.reason || "The server did not take the audio."));
    });
    socket.onclose = (event) => { this.problem = event.reason || null; this.stop(); };
    socket.send(JSON.stringify({
      type: "start", call: id, rate: this.context.sampleRate, encoding: "s16le", channels: 1, roles: ["customer"],
    }));
    const recorder = new AudioWorkletNode(this.context, "recorder", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    recorder.port.onmessage = ({ data }) => {
      this.level = data.level;
      if (socket.readyState === WebSocket.OPEN) socket.send(data.samples);
    };
    this.context.createMediaStreamSource(this.stream).connect(recorder);
    await this.context.resume();
    this.call = id;
    this.#changed();
    return id;
  }

  /** Switches the microphone off; the call ends. */
  stop() {
    const socket = this.socket;
    if (socket) {
      socket.onclose = null;
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "stop" }));
      socket.close(1000);
    }
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.context?.close();
    this.socket = this.stream = this.context = this.call = null;
    this.level = 0;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
