//! Faults of the disks of brokers, and of the data on them.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    brokers::{create_topic_that_the_victim_follows, kill, restart},
    case::{Case, Subject::Victim, Way},
    scene::Scene,
    support::wait_for,
};

/// The size of the file system in memory that takes the place of a broker's disk, in megabytes.
const DISK: u32 = 512;

pub(crate) fn cases() -> Vec<Case> {
    let disk = |name, inject| {
        Case::new(name, Way::Direct, inject, replace_disk)
            .prepare(|s| {
                s.broker().stop();
                s.broker().restart_in_memory(DISK);
                s.create_topic();
            })
            .wants(&[&[("broker", Victim)]])
            .needs(can_mount)
    };
    vec![
        disk("one broker: its log directory is full", fill),
        disk("one broker: its log directory is read-only", make_read_only).within(8, 10),
        Case::new(
            "one broker: killed, and a replica without its records leads",
            Way::Direct,
            kill,
            restart_and_catch_up,
        )
        .prepare(leave_a_replica_without_records)
        .wants(&[&[("broker", Victim)]]),
        // The victim follows partition 0. Heartbeats are read from the leader and stay good.
        Case::new("one follower: a byte of its log is flipped", Way::Proxies, flip, flip_back)
            .prepare(|s| create_topic_that_the_victim_follows(s, "2"))
            .settings(|_| "replicas.interval = 1s\nreplicas.timeout = 1s\n".to_owned())
            .wants(&[&[("replica", Victim)]]),
    ]
}

/// The replica of partition 0 on the second broker lacks most of the records, and may become the leader all the same.
fn leave_a_replica_without_records(scene: &Scene) {
    let (victim, second, third) = (scene.victim, scene.second, 6 - scene.victim - scene.second);
    let lagging = format!("0:{second}");
    let settings = [
        ("min.insync.replicas", "1"),
        ("unclean.leader.election.enable", "true"),
        ("follower.replication.throttled.replicas", &lagging),
    ];
    let replicas = [&[victim, second][..], &[third, second], &[third, victim]];
    scene.world.create_topic_with(&scene.topic, replicas, &settings);
    throttle(scene, "--add-config", "follower.replication.throttled.rate=1");
    let follower = scene.world.kafka.broker(second);
    follower.pause();
    wait_for("the leader to be alone in sync", Duration::from_secs(60), || {
        let topic = scene.world.topic(&scene.topic)?;
        (topic.partitions.get(&0)?.isr.len() == 1).then_some(())
    });
    // A follower reads one megabyte before it is throttled.
    scene.world.fill(&scene.topic, 0, 4096);
    follower.resume();
    follower.wait_until_known();
}

/// Changes how fast the second broker replicates.
fn throttle(scene: &Scene, change: &str, limit: &str) {
    let broker = scene.second.to_string();
    let arguments = ["--alter", "--entity-type", "brokers", "--entity-name", &broker, change, limit];
    scene.world.kafka.admin("kafka.admin.ConfigCommand", &arguments);
}

fn restart_and_catch_up(scene: &Scene) -> Instant {
    let now = restart(scene);
    throttle(scene, "--delete-config", "follower.replication.throttled.rate");
    now
}

fn can_mount() -> Result<(), String> {
    let tried = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("unshare: {error}")),
    }
}

/// Fills the disk of the broker.
fn fill(scene: &Scene) -> Instant {
    let now = Instant::now();
    let mut filler = fs::File::create(scene.broker().file_inside("copy/filler")).expect("a file");
    let zeros = vec![0; 64 * 1024];
    while filler.write_all(&zeros).is_ok() {}
    now
}

/// No file can be created or replaced in the log directory.
fn make_read_only(scene: &Scene) -> Instant {
    let folder = scene.broker().file_inside("copy");
    let done = Command::new("chattr").arg("+i").arg(folder).status().expect("chattr runs");
    assert!(done.success(), "chattr fails");
    Instant::now()
}

/// Starts the broker with the disk that it had before.
fn replace_disk(scene: &Scene) -> Instant {
    scene.broker().kill();
    scene.broker().restart();
    Instant::now()
}

/// Changes a byte of the padding of a heartbeat in a partition that the broker follows.
fn flip(scene: &Scene) -> Instant {
    replace_padding(scene, b"........", b'!')
}

fn flip_back(scene: &Scene) -> Instant {
    replace_padding(scene, b"!.......", b'.')
}

/// Replaces the first of these bytes in the log of partition 0.
fn replace_padding(scene: &Scene, padding: &[u8], byte: u8) -> Instant {
    let log = scene.broker().segment(&scene.topic, 0);
    let bytes = fs::read(&log).expect("the log of a partition");
    let at = bytes.windows(padding.len()).position(|window| window == padding).expect("a heartbeat");
    let log = OpenOptions::new().write(true).open(log).expect("the log of a partition");
    log.write_all_at(&[byte], at as u64).expect("another byte");
    Instant::now()
}
