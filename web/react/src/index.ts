// Realtime voice calls in React: a hook, unstyled parts, and a styled chat.

export { Chat, type ChatOptions, type ChatTokenRequest } from "./chat";
export * as Parts from "./parts";
export { RealtimeChat, RealtimeChatView } from "./RealtimeChat";
export type { ChatStatus } from "./status";
export { type Strings, stringsFor } from "./strings";
export { useDevices } from "./useDevices";
export { type RealtimeChatApi, useRealtimeChat } from "./useRealtimeChat";
