#![no_main]

use kafka_heartbeat::fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run(fuzz::intervals, bytes));
