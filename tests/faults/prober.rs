//! Faults of the service itself, and of the machine that it runs on. No component of Kafka may be blamed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    case::{Case, Subject::Any, Way},
    scene::Scene,
};

/// The seconds by which the clock is set.
const HOUR: i64 = 3600;

fn nothing(_: &Scene) -> Instant {
    Instant::now()
}

pub(crate) fn cases() -> Vec<Case> {
    let fault = |name, inject, heal| Case::new(name, Way::Proxies, inject, heal);
    let prober = |name, inject, heal| fault(name, inject, heal).wants(&[&[("prober", Any)]]);
    vec![
        // The diagnosis is asked for again when the service runs again.
        prober("the service: stopped for 5 s", |s| s.pause_service(Duration::from_secs(5)), nothing).hold(0),
        prober("the service: no file descriptors", Scene::limit_descriptors, Scene::allow_descriptors),
        prober("the service: its clock is set one hour ahead", |s| s.set_own_clock(HOUR), nothing)
            .own_clock()
            .hold(0),
        prober("the service: its clock is set one hour back", |s| s.set_own_clock(-HOUR), nothing)
            .own_clock()
            .hold(0),
        // A service that runs too late says so, and one that still runs in time has nothing to say.
        fault("the service: 10 % of a processor", limit_processor, allow_processor)
            .beside(&[("prober", Any)])
            .needs(can_limit_processor),
    ]
}

/// Ten of every hundred milliseconds.
fn limit_processor(scene: &Scene) -> Instant {
    let group = Group::new().expect("checked before the case");
    let folder = group.folder(scene);
    fs::create_dir_all(&folder).expect("a control group");
    for (file, value) in group.limit {
        fs::write(folder.join(file), value).expect("a limit");
    }
    fs::write(folder.join("cgroup.procs"), scene.service().pid().to_string())
        .expect("a process in the group");
    Instant::now()
}

fn allow_processor(scene: &Scene) -> Instant {
    let group = Group::new().expect("checked before the case");
    fs::write(group.root.join("cgroup.procs"), scene.service().pid().to_string()).expect("the root group");
    fs::remove_dir(group.folder(scene)).expect("an empty group");
    Instant::now()
}

fn can_limit_processor() -> Result<(), String> {
    let group = Group::new().ok_or("there are no control groups for processor time")?;
    let folder = group.root.join(format!("kafka-heartbeat-{}", std::process::id()));
    let allowed = fs::create_dir(&folder).and_then(|()| {
        let tried = group.limit.iter().try_for_each(|(file, value)| fs::write(folder.join(file), value));
        fs::remove_dir(&folder).and(tried)
    });
    allowed.map_err(|error| format!("control groups cannot be made: {error}"))
}

/// Where control groups for processor time are made, and how they are limited.
struct Group {
    root: PathBuf,
    limit: &'static [(&'static str, &'static str)],
}

impl Group {
    /// The hierarchy of this machine, of the second or of the first version; `None` without one.
    fn new() -> Option<Self> {
        let second: &[_] = &[("cpu.max", "10000 100000")];
        let first: &[_] = &[("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "10000")];
        let root = Path::new("/sys/fs/cgroup");
        let ways =
            [(root.to_owned(), "cgroup.subtree_control", second), (root.join("cpu"), "cpu.shares", first)];
        let exists = |(root, file, _): &(PathBuf, &str, _)| root.join(file).exists();
        let (root, _, limit) = ways.into_iter().find(exists)?;
        Some(Self { root, limit })
    }

    fn folder(&self, scene: &Scene) -> PathBuf {
        self.root.join(format!("kafka-heartbeat-{}", scene.service().pid()))
    }
}
