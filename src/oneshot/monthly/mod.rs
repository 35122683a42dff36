//! `report`: a month from history files and from running services.

mod files;
mod order;
mod services;

pub use order::{MonthOrder, Unmade, month};
