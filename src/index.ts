export { configFromEnv, DEFAULTS, type EnvironmentConfig } from './config';
export type { RedisSource } from './connection';
export { typingDelay, type TypingDelayOptions } from './delay-calculator';
export type { DispatcherEvents, MessageContext, MessageDispatcherOptions, MessageEvent } from './dispatcher-options';
export {
  AuthError, ClosedError, type ErrorCode, ForbiddenError, HookError, InturnError, InvalidInputError, LockLostError,
  OutOfMemoryError, ProtocolError, QueueFullError, ReadOnlyError, RedisReplyError, RedisTooOldError, Reject, RetryLater,
  StoppedError, UnavailableError, UnknownOutcomeError, WrongTypeError,
} from './errors';
export type { Durability } from './durability';
export type { ChatMessage, DeadLetter, MessageType } from './message';
export { MessageDispatcher } from './message-dispatcher';
export {
  type Enqueued, type EnqueueResult, MessageQueueManager, type MessageQueueManagerOptions, type Stats,
} from './message-queue';
export type { Id } from './validate';
