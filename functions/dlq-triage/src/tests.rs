//! The function as a whole, against strict doubles of what it calls.

mod account;
mod again;
mod archive;
mod at_once;
mod failing;
mod hand;
mod hostile;
mod kept;
mod killed;
mod many;
mod modes;
mod peek;
mod plans;
mod restore;
mod shared_queue;
mod world;
