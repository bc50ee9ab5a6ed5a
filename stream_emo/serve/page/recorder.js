// Runs on the audio thread: gathers 40 ms of samples, turns them into 16-bit integers and hands them over.

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate * 0.04);
    this.begin();
  }

  begin() {
    this.samples = new Int16Array(this.size);
    this.filled = 0;
    this.power = 0;
  }

  process([[input]]) {
    for (const sample of input ?? []) {
      const limited = Math.max(-1, Math.min(1, sample));
      this.power += limited * limited;
      this.samples[this.filled++] = limited * 0x7fff;
      if (this.filled === this.size) {
        this.port.postMessage({ samples: this.samples.buffer, level: Math.sqrt(this.power / this.size) }, [this.samples.buffer]);
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
