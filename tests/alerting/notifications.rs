//! The receiver of notifications, and the Alertmanagers that send them.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use axum::{Json, Router, body::Bytes, extract, routing::post};
use serde_json::{Value, json};

use crate::support::{
    operations::{list, text, yaml},
    program::Running,
    service::free_port,
};

/// The notifications that were received, in order.
pub(crate) type Received = Arc<Mutex<Vec<Message>>>;

/// The bodies of the requests that exported traces, in order.
pub(crate) type Traces = Arc<Mutex<Vec<Vec<u8>>>>;

/// One alert of what Alertmanager sent to a receiver.
pub(crate) struct Message {
    pub(crate) at: Instant,
    pub(crate) receiver: String,
    pub(crate) alert: Value,
}

impl Message {
    pub(crate) fn name(&self) -> &str {
        text(&self.alert["labels"]["alertname"])
    }
}

/// The receiver of notifications and of pushed metrics, on a thread of its own until the process ends.
pub(crate) fn receiver() -> (String, Received, Traces) {
    let (received, traces) = (Received::default(), Traces::default());
    let (listener, sink, exported) = (
        std::net::TcpListener::bind("127.0.0.1:0").expect("a free port for the receiver of alerts"),
        received.clone(),
        traces.clone(),
    );
    let address = listener.local_addr().expect("the address of the webhook").to_string();
    listener.set_nonblocking(true).expect("a socket that does not block");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime for the receiver of alerts");
        runtime.block_on(async {
            let receive = move |extract::Path(receiver): extract::Path<String>,
                                Json(message): Json<Value>| {
                for alert in list(&message["alerts"]) {
                    let (receiver, alert) = (receiver.clone(), alert.clone());
                    sink.lock().expect("no listener panicked").push(Message {
                        at: Instant::now(),
                        receiver,
                        alert,
                    });
                }
                async {}
            };
            let export = move |extract::Path(signal): extract::Path<String>, body: Bytes| {
                if signal == "traces" {
                    exported.lock().expect("no listener panicked").push(body.to_vec());
                }
                async {}
            };
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener of the runtime");
            let routes =
                Router::new().route("/{receiver}", post(receive)).route("/v1/{signal}", post(export));
            axum::serve(listener, routes)
                .await
                .expect("the receiver of alerts serves until the process ends");
        });
    });
    (address, received, traces)
}

/// Which inhibitions an Alertmanager has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inhibitions {
    /// Those of the repository.
    All,
    /// Those of the repository whose source is no suspect.
    WithoutSuspects,
}

/// The routes and inhibitions of the repository, with short waits and all receivers at this address.
fn config(address: &str, inhibitions: Inhibitions) -> String {
    let mut config = yaml("alertmanager/alertmanager.yml");
    if inhibitions == Inhibitions::WithoutSuspects {
        let all = config["inhibit_rules"].as_array_mut().expect("alertmanager.yml has a list of inhibitions");
        all.retain(|inhibition| !inhibition["source_matchers"].to_string().contains("KafkaSuspect"));
    }
    let wait = |route: &mut Value| {
        for key in ["group_wait", "group_interval"] {
            route[key] = json!("1s");
        }
    };
    wait(&mut config["route"]);
    config["route"]["routes"]
        .as_array_mut()
        .expect("alertmanager.yml has a list of routes")
        .iter_mut()
        .for_each(wait);
    for receiver in config["receivers"].as_array_mut().expect("alertmanager.yml has a list of receivers") {
        let name =
            receiver["name"].as_str().expect("each receiver of alertmanager.yml has a name").to_owned();
        let url = format!("http://{address}/{name}");
        *receiver = json!({ "name": name, "webhook_configs": [{ "url": url, "send_resolved": true }] });
    }
    config["global"] = json!({});
    config["templates"] = json!([]);
    config.to_string()
}

/// Starts an Alertmanager whose notifications go to this address, with its files in the folder. Returns where it listens.
pub(crate) fn alertmanager(
    program: &Path,
    folder: &Path,
    receiver: &str,
    inhibitions: Inhibitions,
) -> (String, Running) {
    let name = format!("alertmanager-{inhibitions:?}");
    let file = folder.join(&name).with_extension("yml");
    std::fs::write(&file, config(receiver, inhibitions))
        .expect("the configuration of Alertmanager can be written");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(program);
    command
        .args([format!("--config.file={}", file.display()), format!("--web.listen-address={address}")])
        .args([format!("--storage.path={}", folder.join(&name).display())])
        .arg("--cluster.listen-address=");
    let running = Running::start(&mut command, folder, &name, &address);
    (address, running)
}

/// The alerts that were notified since a moment, as receiver and alert name.
pub(crate) fn notified(received: &Received, since: Instant, status: &str) -> BTreeSet<(String, String)> {
    let received = received.lock().expect("no listener panicked");
    let notified = received.iter().filter(|message| message.at >= since && message.alert["status"] == status);
    notified.map(|message| (message.receiver.clone(), message.name().to_owned())).collect()
}
