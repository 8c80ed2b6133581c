//! The stages of the mastering chain and the chain itself, each against a slow reference and against
//! what every processor promises. One binary, so that the crate is linked once.

mod analysis;
mod chain;
mod colour;
mod dynamics;
mod equaliser;
mod linear;
mod promises;
mod stereo;
mod support;

use std::alloc::System;

#[global_allocator]
static ALLOCATOR: support::Counting<System> = support::Counting(System);
