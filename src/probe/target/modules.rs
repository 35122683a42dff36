//! The modules, and the limits on the number of their probes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{address::Address, check::check, report::Report};
use crate::{
    config,
    kafka::{PropertyError, wire::Client},
    sync::{lock, read, write},
};

/// The largest number of probes at the same time, of all modules together. A probe that is answered takes milliseconds, so
/// eight are enough for hundreds of targets a minute. A probe of a silent target takes its whole time limit, with up to
/// 32 connections and a few megabytes of memory: more of them would harm the heartbeats of this process.
pub const MAX_PROBES: usize = 8;

/// How much longer than its own time limit a request waits for a probe that another request began.
const PATIENCE: Duration = Duration::from_millis(250);

/// The modules by name.
type ByName = BTreeMap<String, Arc<Module>>;

/// A probe that runs. It goes on as long as a request waits for it.
type Running = Shared<BoxFuture<'static, Arc<Report>>>;

/// Why a request is not answered with a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No module has this name. With the names of the modules that there are.
    UnknownModule(Vec<String>),
    /// The target is no address.
    NoAddress,
    /// The module does not allow this address, which is written in one spelling.
    NotAllowed(String),
    /// As many probes run as may run at the same time.
    Busy,
    /// Another request began a probe of the same target that takes longer than this request may wait.
    StillRunning,
}

/// The modules of the configuration, and the probes that run.
#[derive(Debug)]
pub struct Modules {
    /// By name. Replaced by a reload.
    modules: RwLock<ByName>,
    /// A permit for each probe that may run at the same time.
    slots: Arc<Semaphore>,
    /// The probes that run, by module and target. Those that have ended are removed by the next probe.
    running: Mutex<BTreeMap<(String, String), Begun>>,
}

/// A probe that a request began.
#[derive(Debug)]
struct Begun {
    /// The module with which it was begun. A reload may have replaced the module since.
    by: Arc<Module>,
    /// The time limit with which it was begun.
    limit: Duration,
    /// Empty when no request waits for the probe any more.
    probe: WeakShared<BoxFuture<'static, Arc<Report>>>,
}

impl Begun {
    /// The probe, unless it has ended or no request waits for it.
    fn running(&self) -> Option<Running> {
        self.probe.upgrade().filter(|probe| probe.peek().is_none())
    }
}

/// A module, and the client of its probes.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) settings: config::Module,
    client: Client,
}

impl Module {
    /// Reads the files that a module names.
    ///
    /// # Errors
    /// Every property that cannot be used.
    pub(super) fn new(settings: config::Module) -> Result<Self, Vec<PropertyError>> {
        let client = Client::without_bootstrap(&format!("module {}", settings.name), &settings.kafka)?;
        Ok(Self { settings, client })
    }

    /// Whether another module has the same settings, and its files the same contents.
    fn is_same(&self, other: &Self) -> bool {
        self.settings == other.settings && self.client.is_configured_as(&other.client)
    }
}

impl Default for Modules {
    fn default() -> Self {
        Self {
            modules: RwLock::default(),
            slots: Arc::new(Semaphore::new(MAX_PROBES)),
            running: Mutex::default(),
        }
    }
}

impl Modules {
    /// Uses these modules from now on, and reads the files that they name. Probes that run go on. Returns whether the settings of
    /// the modules have changed.
    ///
    /// # Errors
    /// Every property that cannot be used, with the name of its module. The modules before stay in use then.
    pub fn replace(&self, modules: &[config::Module]) -> Result<bool, Vec<(String, PropertyError)>> {
        let (mut fresh, mut refused) = (BTreeMap::new(), Vec::new());
        for settings in modules {
            let name = &settings.name;
            match Module::new(settings.clone()) {
                Ok(module) => _ = fresh.insert(name.clone(), Arc::new(module)),
                Err(errors) => refused.extend(errors.into_iter().map(|error| (name.clone(), error))),
            }
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        let mut used = write(&self.modules);
        let settings = |modules: &ByName| -> Vec<config::Module> {
            modules.values().map(|module| module.settings.clone()).collect()
        };
        let is_changed = settings(&used) != settings(&fresh);
        for (name, module) in &mut fresh {
            // A module that is the same goes on with its tokens.
            if let Some(same) = used.get(name).filter(|used| used.is_same(module)) {
                *module = same.clone();
            }
        }
        *used = fresh;
        Ok(is_changed)
    }

    /// The settings of the modules in use.
    pub(super) fn settings(&self) -> Vec<config::Module> {
        read(&self.modules).values().map(|module| module.settings.clone()).collect()
    }

    /// Uses a module with renewed files in place of the module that was read with `before`. Returns whether that is still in use
    /// and differs.
    pub(super) fn renew(&self, before: &config::Module, renewed: Module) -> bool {
        let mut modules = write(&self.modules);
        let used = modules.get_mut(&before.name).filter(|used| used.settings == *before);
        let Some(used) = used.filter(|used| !used.is_same(&renewed)) else { return false };
        *used = Arc::new(renewed);
        true
    }

    /// Checks a target with a module, for at most the time limit of the module and `limit`. A request for a target that the same
    /// module checks already, with at least the same limit, waits for that probe and has the same report.
    ///
    /// # Errors
    /// Why there is no report. The target was not contacted then.
    pub async fn probe(
        &self,
        module: &str,
        target: &str,
        limit: Option<Duration>,
    ) -> Result<Arc<Report>, Refusal> {
        let module = self.module(module)?;
        let target = Address::parse(target).ok_or(Refusal::NoAddress)?;
        let address = target.to_string();
        if !module.settings.targets.allow(&address) {
            return Err(Refusal::NotAllowed(address));
        }
        let limit = limit.map_or(module.settings.timeout, |limit| limit.min(module.settings.timeout));
        let deadline = Instant::now() + limit;
        match self.join_or_begin(module, target, limit)? {
            (running, true) => {
                timeout_at(deadline + PATIENCE, running).await.map_err(|_| Refusal::StillRunning)
            }
            (running, false) => Ok(running.await),
        }
    }

    fn module(&self, name: &str) -> Result<Arc<Module>, Refusal> {
        let modules = read(&self.modules);
        let known = || Refusal::UnknownModule(modules.keys().cloned().collect());
        modules.get(name).cloned().ok_or_else(known)
    }

    /// The probe of a target by a module, and whether another request began it.
    ///
    /// # Errors
    /// As many probes run as may run at the same time.
    fn join_or_begin(
        &self,
        module: Arc<Module>,
        target: Address,
        limit: Duration,
    ) -> Result<(Running, bool), Refusal> {
        let mut all = lock(&self.running);
        all.retain(|_, begun| begun.running().is_some());
        let key = (module.settings.name.clone(), target.to_string());
        // A probe with a shorter limit may fail although the target would have answered this request in time.
        let is_same = |begun: &&Begun| Arc::ptr_eq(&begun.by, &module) && begun.limit >= limit;
        let same = all.get(&key).filter(is_same);
        if let Some(running) = same.and_then(Begun::running) {
            return Ok((running, true));
        }
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| Refusal::Busy)?;
        let (by, deadline) = (module.clone(), Instant::now() + limit);
        let running = async move {
            let _slot = slot;
            Arc::new(check(&by.settings, &by.client, &target, deadline).await)
        };
        let running = running.boxed().shared();
        all.extend(running.downgrade().map(|probe| (key, Begun { by: module, limit, probe })));
        Ok((running, false))
    }
}
