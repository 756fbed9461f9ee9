//! A client of inturn: each user's messages handled one at a time, in order and never lost.

#![forbid(unsafe_code)]

pub mod consumer;
pub mod link;
pub mod producer;
mod settlement;
pub mod shards;
pub mod vectors;
pub mod worker;
