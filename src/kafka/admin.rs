//! The questions we ask.
