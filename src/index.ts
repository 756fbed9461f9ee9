export { configFromEnv, DEFAULTS, type EnvironmentConfig } from './config';
export type { RedisSource } from './connection';
export { typingDelay, type TypingDelayOptions } from './delay-calculator';
export type { DispatcherEvents, MessageContext, MessageDispatcherOptions, MessageEvent } from './dispatcher-options';
export {
  AuthError, BacklogFullError, ClosedError, type ErrorCode, ForbiddenError, HookError, InturnError, InvalidInputError, LockLostError,
  OutOfMemoryError, ProtocolError, QueueFullError, ReadOnlyError, RedisReplyError, RedisTooOldError, Reject, RetryLater,
  StoppedError, SupersededError, UnavailableError, UnknownOutcomeError, WrongTypeError,
} from './errors';
export type { Durability } from './durability';
export type { Enqueued, EnqueueOptions, EnqueueResult, MessageQueueManagerOptions, PauseOptions } from './manager-options';
export { type ChatMessage, chatMessage, type DeadLetter, type MessageType } from './message';
export { MessageDispatcher } from './message-dispatcher';
export { MessageQueueManager } from './message-queue';
export type { Scheduled, ScheduledMessage, When } from './schedule';
export type { Stats } from './stats';
export type { Id } from './validate';
