//! One case with its service: what a fault is injected into.

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use crate::{
    case::{Case, Pattern, Subject, Way},
    names::Names,
    support::{
        kafka::{Broker, Listener, proxy::NetworkFault},
        service::{Service, signal},
        wait_for,
    },
    timeline::Suspect,
    world::{Lane, Trap, World},
};

/// The cluster, the way to it, and the service that watches it.
pub(crate) struct Scene {
    pub(crate) world: Arc<World>,
    /// The number of the lane.
    lane: Option<usize>,
    /// The heartbeat topic, and the client id of the service.
    pub(crate) topic: String,
    /// The file with the seconds by which the wall clock of the service is set, if it has one of its own.
    clock: PathBuf,
    /// The broker that has the fault.
    pub(crate) victim: i32,
    /// The second broker that has the fault.
    pub(crate) second: i32,
    service: OnceLock<Service>,
}

impl Scene {
    /// A scene without a service. The brokers that have the fault are not the active controller.
    pub(crate) fn new(case: &Case, world: Arc<World>, lane: Option<usize>) -> Self {
        let controller = if lane.is_some() { 1 } else { world.controller() };
        let others: Vec<_> = (1..=3).filter(|id| *id != controller).collect();
        let (topic, service) = (case.topic(), OnceLock::new());
        let victim = if case.is_on_the_controller { controller } else { others[0] };
        let clock = world.folder().join(format!("{topic}.clock"));
        fs::write(&clock, 0_i64.to_ne_bytes()).expect("a file");
        Self { world, lane, topic, victim, second: others[1], clock, service }
    }

    /// Starts the service of the case.
    pub(crate) fn start_service(&self, case: &Case) -> &Service {
        let text = |path: &Path| path.display().to_string();
        let environment = match (case.way, case.has_own_clock) {
            (Way::Names, _) => self.world.names.environment().to_vec(),
            (_, true) => {
                vec![("LD_PRELOAD", text(&self.world.clock)), ("CLOCK_OFFSET", text(&self.clock))]
            }
            _ => Vec::new(),
        };
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let service = Service::start_in(&environment, &self.config(case));
        self.service.get_or_init(|| service)
    }

    /// The defaults of every interval and every limit. Only the tasks that read the topics of applications are off.
    fn config(&self, case: &Case) -> String {
        let bootstrap = match self.lane {
            Some(_) => self.lane().addresses().join(","),
            None => self.world.kafka.bootstrap(Listener::Plaintext),
        };
        let access = match case.way {
            Way::Direct | Way::Proxies | Way::Names => String::new(),
            Way::Login => "security.protocol = SASL_PLAINTEXT\nsasl.mechanism = PLAIN\n".to_owned(),
            Way::Tls => {
                let authority = self.world.authority();
                format!("security.protocol = SSL\nssl.ca.location = {}\n", authority.display())
            }
        };
        format!(
            "[cluster:k]\nbootstrap.servers = {bootstrap}\nclient.id = {topic}\nheartbeat.topic = {topic}\n\
             lag.enabled = false\nfreshness.enabled = false\ntransactions.enabled = false\n{access}{settings}",
            topic = self.topic,
            settings = (case.settings)(self),
        )
    }

    pub(crate) fn service(&self) -> &Service {
        self.service.get().expect("the service was started")
    }

    pub(crate) fn lane(&self) -> &Lane {
        &self.world.lanes[self.lane.expect("the case has proxies")]
    }

    /// The address from which the proxies of the case connect to the brokers.
    pub(crate) fn source(&self) -> Ipv4Addr {
        Lane::source(self.lane.expect("the case has proxies") as u8)
    }

    pub(crate) fn broker(&self) -> &Broker {
        self.world.kafka.broker(self.victim)
    }

    /// Creates the heartbeat topic with a leader on each broker.
    pub(crate) fn create_topic(&self) {
        self.world.create_topic(&self.topic, &[[1, 2, 3], [2, 3, 1], [3, 1, 2]], "2");
    }

    /// Gives the proxies before these brokers a fault.
    pub(crate) fn set(&self, brokers: &[i32], fault: NetworkFault) -> Instant {
        let now = Instant::now();
        brokers.iter().for_each(|id| self.lane().proxy(*id).set(fault));
        now
    }

    /// Leads the connections to these brokers into a trap.
    pub(crate) fn trap(&self, brokers: &[i32], trap: Trap) -> Instant {
        let now = Instant::now();
        for id in brokers {
            self.lane().proxy(*id).lead_to(self.world.trap(trap, *id));
            self.lane().proxy(*id).cut();
        }
        now
    }

    /// Leads every proxy to its broker again, without a fault, and resets the connections that lead elsewhere.
    pub(crate) fn restore(&self) -> Instant {
        let now = Instant::now();
        self.lane().restore();
        now
    }

    /// [`Scene::restore`], and resets every connection.
    pub(crate) fn reconnect(&self) -> Instant {
        let now = self.restore();
        (1..=3).for_each(|id| self.lane().proxy(id).cut());
        now
    }

    /// Stops the process of the service for a time.
    pub(crate) fn pause_service(&self, pause: Duration) -> Instant {
        signal(self.service().pid(), "STOP");
        let stopped = Instant::now();
        wait_for("the pause to be over", pause * 2, || (stopped.elapsed() >= pause).then_some(()));
        signal(self.service().pid(), "CONT");
        Instant::now()
    }

    /// Sets the wall clock of the service, and of nothing else.
    pub(crate) fn set_own_clock(&self, seconds: i64) -> Instant {
        // The service has mapped the file, so it must not be replaced.
        let file = fs::OpenOptions::new().write(true).open(&self.clock).expect("the file of the clock");
        file.write_all_at(&seconds.to_ne_bytes(), 0).expect("a clock that is set");
        Instant::now()
    }

    /// Limits the open files of the service: no further file can be opened below 8, for these are open.
    pub(crate) fn limit_descriptors(&self) -> Instant {
        self.set_descriptors("8")
    }

    /// Allows the service as many open files as it may have at most.
    pub(crate) fn allow_descriptors(&self) -> Instant {
        let limits =
            fs::read_to_string(format!("/proc/{}/limits", self.service().pid())).expect("the limits");
        let line =
            limits.lines().find(|line| line.starts_with("Max open files")).expect("the limit of files");
        self.set_descriptors(line.split_whitespace().nth(4).expect("the hard limit"))
    }

    fn set_descriptors(&self, soft: &str) -> Instant {
        let pid = self.service().pid().to_string();
        let mut command = Command::new("prlimit");
        let done =
            command.args(["--pid", &pid, &format!("--nofile={soft}:")]).status().expect("prlimit runs");
        assert!(done.success(), "prlimit fails");
        Instant::now()
    }

    /// Whether a suspect is what the pattern describes.
    pub(crate) fn is(&self, suspect: &Suspect, (kind, subject): Pattern) -> bool {
        let broker = |id: i32| {
            let address = self.lane.map(|_| self.lane().addresses()[id as usize - 1].clone());
            suspect.subject == id.to_string()
                || suspect.subject == Names::of_broker(id)
                || address.is_some_and(|address| suspect.subject.contains(&address))
        };
        let fits = match subject {
            Subject::Any => true,
            Subject::Victim => broker(self.victim),
            Subject::Second => broker(self.second),
            Subject::Named(name) => suspect.subject == name,
        };
        suspect.kind == kind && fits
    }
}
