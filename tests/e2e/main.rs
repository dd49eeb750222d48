//! The host from end to end, over the memory pair and against the sim.

mod first_turn;
