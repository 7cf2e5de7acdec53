// What only a call with a microphone needs. A page loads it when a voice call begins.

export { AudioRecorder } from "./recorder";
export { Recordings } from "./recordings";
