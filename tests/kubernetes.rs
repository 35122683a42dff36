//! The chart and the election by a Lease, with a real API server of Kubernetes: objects are accepted, checked and stored, and no pod
//! runs.
//!
//! `.ci/run` builds the API server and sets `KUBE_APISERVER`, `ETCD`, `HELM` and `KUBERNETES_CRDS`, the folder with the definitions of the
//! Prometheus operator. Without them these tests are skipped, except under `CI=true`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{
    port::free_port,
    program::{Running, tool},
    service::{Service, signal},
    try_wait, wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// An API server that starts beside other tests takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that the chart may make, as the paths of the API.
const KINDS: [&str; 13] = [
    "api/v1/namespaces/kafka/configmaps",
    "api/v1/namespaces/kafka/secrets",
    "api/v1/namespaces/kafka/serviceaccounts",
    "api/v1/namespaces/kafka/services",
    "api/v1/namespaces/kafka/persistentvolumeclaims",
    "api/v1/namespaces/kafka/pods",
    "apis/apps/v1/namespaces/kafka/deployments",
    "apis/policy/v1/namespaces/kafka/poddisruptionbudgets",
    "apis/networking.k8s.io/v1/namespaces/kafka/networkpolicies",
    "apis/rbac.authorization.k8s.io/v1/namespaces/kafka/roles",
    "apis/rbac.authorization.k8s.io/v1/namespaces/kafka/rolebindings",
    "apis/monitoring.coreos.com/v1/namespaces/kafka/servicemonitors",
    "apis/monitoring.coreos.com/v1/namespaces/kafka/prometheusrules",
];

/// A cluster of Kubernetes without nodes, with the namespace `kafka`.
struct Cluster {
    server: Option<Running>,
    _etcd: Running,
    program: PathBuf,
    helm: PathBuf,
    definitions: PathBuf,
    ports: [u16; 2],
    folder: tempfile::TempDir,
}

impl Cluster {
    /// `None` where a program is missing.
    fn start() -> Option<Self> {
        let [program, etcd, helm, definitions] =
            ["KUBE_APISERVER", "ETCD", "HELM", "KUBERNETES_CRDS"].map(tool);
        let (program, etcd, helm, definitions) = (program?, etcd?, helm?, definitions?);
        let folder = tempfile::tempdir().expect("a folder");
        let keys = rcgen::KeyPair::generate().expect("a key");
        fs::write(folder.path().join("sa.key"), keys.serialize_pem()).expect("a file");
        fs::write(folder.path().join("sa.pub"), keys.public_key_pem()).expect("a file");
        fs::write(folder.path().join("tokens.csv"), "admin,admin,1,\"system:masters\"\n").expect("a file");
        let ports @ [_, store] = [free_port(), free_port()];
        let (address, peers) = (format!("127.0.0.1:{store}"), format!("http://127.0.0.1:{}", free_port()));
        let mut command = Command::new(etcd);
        command
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--listen-client-urls", &format!("http://{address}")])
            .args(["--advertise-client-urls", &format!("http://{address}")])
            .args(["--listen-peer-urls", &peers, "--log-level", "error"]);
        let etcd = Running::start(&mut command, folder.path(), "etcd", &address);
        let mut cluster = Self { server: None, _etcd: etcd, program, helm, definitions, ports, folder };
        cluster.start_server();
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "kafka" } });
        assert_eq!(cluster.ask("admin", "POST", "api/v1/namespaces", &namespace.to_string()).0, 201);
        Some(cluster)
    }

    fn start_server(&mut self) {
        let ([port, store], folder) = (self.ports, self.folder.path());
        let file = |name: &str| folder.join(name).display().to_string();
        let mut command = Command::new(&self.program);
        command.args([
            format!("--etcd-servers=http://127.0.0.1:{store}"),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--cert-dir={}", file("certs")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file("sa.pub")),
            format!("--service-account-signing-key-file={}", file("sa.key")),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        ]);
        self.server = Some(Running::start(&mut command, folder, "apiserver", &format!("127.0.0.1:{port}")));
        wait_for("the API server", PATIENCE, || {
            (self.ask("admin", "GET", "readyz", "").0 == 200).then_some(())
        });
    }

    /// The status and the body of an answer.
    fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        let kind = if body.starts_with('{') { "application/json" } else { "application/yaml" };
        let mut command = Command::new("curl");
        command.args(["-sk", "--max-time", "20", "-X", method, "-w", "\n%{http_code}"]).args([
            "-H",
            &format!("Authorization: Bearer {token}"),
            "-H",
            &format!("Content-Type: {kind}"),
        ]);
        let file = self.folder.path().join("body");
        if !body.is_empty() {
            fs::write(&file, body).expect("a file");
            command.arg("--data-binary").arg(format!("@{}", file.display()));
        }
        let output =
            command.arg(format!("https://127.0.0.1:{}/{path}", self.ports[0])).output().expect("curl");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').expect("a status");
        (status.parse().expect("a number"), body.to_owned())
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.ask("admin", "GET", path, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Runs Helm. Fails the test if Helm fails.
    fn helm(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.helm)
            .args(arguments)
            .args(["--namespace", "kafka", "--kube-token", "admin", "--kube-insecure-skip-tls-verify"])
            .args(["--kube-apiserver", &format!("https://127.0.0.1:{}", self.ports[0])])
            .env("HOME", self.folder.path())
            .env_remove("KUBECONFIG")
            .output()
            .expect("Helm");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The objects of the release, as `kind name`.
    fn objects(&self) -> Vec<String> {
        let mut objects = Vec::new();
        for path in KINDS {
            let list = self.json(&format!("{path}?labelSelector=app.kubernetes.io/instance%3Dt"));
            let kind = list["kind"].as_str().expect("a kind").trim_end_matches("List").to_owned();
            for item in list["items"].as_array().expect("a list") {
                objects.push(format!("{kind} {}", item["metadata"]["name"].as_str().expect("a name")));
            }
        }
        objects
    }

    /// A token of the service account, as a pod would have it.
    fn token_of(&self, account: &str) -> String {
        let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
        let path = format!("api/v1/namespaces/kafka/serviceaccounts/{account}/token");
        let (status, body) = self.ask("admin", "POST", &path, &request.to_string());
        assert_eq!(status, 201, "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        body["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// The files that a pod of this service account has.
    fn credentials(&self, account: &str) -> PathBuf {
        let folder = self.folder.path().join(account);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("token"), self.token_of(account)).expect("a file");
        fs::write(folder.join("namespace"), "kafka").expect("a file");
        fs::copy(self.folder.path().join("certs/apiserver.crt"), folder.join("ca.crt")).expect("a copy");
        folder
    }
}

fn chart() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/charts/kafka-heartbeat").to_owned()
}

#[test]
fn chart_is_accepted_and_its_service_account_may_do_what_the_election_needs_and_nothing_more() {
    let Some(cluster) = Cluster::start() else { return };
    for name in ["servicemonitors", "prometheusrules"] {
        let file = cluster.definitions.join(format!("monitoring.coreos.com_{name}.yaml"));
        let definition = fs::read_to_string(file).expect("a definition");
        let path = "apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        assert_eq!(cluster.ask("admin", "POST", path, &definition).0, 201, "{name}");
    }
    for path in KINDS {
        wait_for(path, PATIENCE, || (cluster.ask("admin", "GET", path, "").0 == 200).then_some(()));
    }
    let chart = chart();
    let full = format!("{chart}/ci/full-values.yaml");
    for (values, least) in [(format!("{chart}/values.yaml"), 5), (full, 17)] {
        let install = ["install", "t", &chart, "--values", &values];
        cluster.helm(&[&install[..], &["--dry-run=server"]].concat());
        assert_eq!(cluster.objects(), [""; 0], "a dry run makes nothing");
        cluster.helm(&install);
        let made = cluster.objects();
        println!("{}:\n  {}", values.rsplit('/').next().expect("a name"), made.join("\n  "));
        assert!(made.len() >= least, "{made:?}");
        let upgrade = ["upgrade", "t", &chart, "--values", &values, "--set", "podAnnotations.a=b"];
        cluster.helm(&upgrade);
        let deployment = cluster.json("apis/apps/v1/namespaces/kafka/deployments/t-kafka-heartbeat");
        assert_eq!(deployment["metadata"]["generation"], 2, "{deployment:#}");
        assert_eq!(cluster.objects(), made);
        if least > 5 {
            assert_only_the_lease(&cluster, "t-kafka-heartbeat", "elected");
        }
        cluster.helm(&["uninstall", "t"]);
        // A pod is deleted by the kubelet, of which there is none here: nothing else may stay.
        assert_eq!(cluster.objects(), [""; 0]);
    }
    for wrong in [
        "replicas=two",
        "imagee.tag=1",
        "ha.provider=etcd",
        "networkPolicy.enabled=maybe",
        "service.port=http",
    ] {
        let refused = Command::new(&cluster.helm).args(["template", "t", &chart, "--set", wrong]).output();
        assert!(!refused.expect("Helm").status.success(), "the chart accepts {wrong}");
    }
}

/// Asserts what the service account may do: get, create and update its Lease.
fn assert_only_the_lease(cluster: &Cluster, account: &str, lease: &str) {
    let token = cluster.token_of(account);
    let leases = "apis/coordination.k8s.io/v1/namespaces/kafka/leases";
    let object = |name: &str| {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": name, "namespace": "kafka" }, "spec": { "holderIdentity": "x" },
        })
    };
    let own = format!("{leases}/{lease}");
    assert_eq!(cluster.ask(&token, "GET", &own, "").0, 404, "it may ask, and the Lease is not there yet");
    assert_eq!(cluster.ask(&token, "POST", leases, &object(lease).to_string()).0, 201);
    let stored = cluster.json(&own);
    assert_eq!(cluster.ask(&token, "PUT", &own, &stored.to_string()).0, 200);
    assert_eq!(cluster.ask("admin", "POST", leases, &object("other").to_string()).0, 201);
    for (method, path, body) in [
        ("DELETE", own.as_str(), String::new()),
        ("GET", leases, String::new()),
        ("GET", &format!("{leases}/other"), String::new()),
        ("PUT", &format!("{leases}/other"), object("other").to_string()),
        ("GET", "api/v1/namespaces/kafka/secrets", String::new()),
        ("GET", "api/v1/namespaces/kafka/pods", String::new()),
        ("GET", "api/v1/namespaces/kafka/configmaps", String::new()),
        ("GET", "api/v1/nodes", String::new()),
    ] {
        assert_eq!(cluster.ask(&token, method, path, &body).0, 403, "{method} {path}");
    }
}

/// An instance outside of a pod with the credentials of a service account.
fn instance(cluster: &Cluster, name: &str, credentials: &Path) -> Service {
    Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = 127.0.0.1:1\n[heartbeat]\ninstance = {name}\n[lag]\ninterval = 1s\n\
         [ha]\nprovider = kubernetes\ninstance = {name}\nlease = elected\nkubernetes.server = https://127.0.0.1:{}\n\
         kubernetes.credentials = {}\n",
        cluster.ports[0],
        credentials.display()
    ))
}

fn role(service: &Service) -> String {
    let answer: Value = serde_json::from_str(&service.get("/leader").expect("an answer")).expect("JSON");
    answer["role"].as_str().expect("a role").to_owned()
}

fn cycles(service: &Service) -> f64 {
    service.sum("heartbeat_cycles_total", &["task=\"collect\""])
}

/// Waits until these instances have these roles.
fn wait_for_roles(services: &[(&Service, &str)], limit: Duration) -> Duration {
    let begun = Instant::now();
    let found = try_wait(limit, || {
        services.iter().all(|(service, expected)| role(service) == *expected).then_some(())
    });
    let logs = || services.iter().map(|(service, _)| service.log()).collect::<Vec<_>>().join("\n---\n");
    assert!(found.is_some(), "the roles are others:\n{}", logs());
    begun.elapsed()
}

#[test]
fn instance_with_the_lease_collects_and_outages_of_instances_and_of_the_api_server_lose_no_leader() {
    let Some(mut cluster) = Cluster::start() else { return };
    cluster.helm(&["install", "t", &chart(), "--set", "ha.provider=kubernetes,ha.name=elected,replicas=2"]);
    let credentials = cluster.credentials("t-kafka-heartbeat");
    let one = instance(&cluster, "one", &credentials);
    wait_for_roles(&[(&one, "leader")], PATIENCE);
    let two = instance(&cluster, "two", &credentials);
    wait_for_roles(&[(&two, "standby")], PATIENCE);
    wait_for("cycles of the leader", PATIENCE, || (cycles(&one) >= 2.0).then_some(()));
    assert_eq!(cycles(&two), 0.0);

    signal(one.pid(), "STOP");
    let took = wait_for_roles(&[(&two, "leader")], PATIENCE);
    println!("takeover after SIGSTOP: {:.1} s", took.as_secs_f64());
    signal(one.pid(), "CONT");
    wait_for_roles(&[(&one, "standby"), (&two, "leader")], PATIENCE);
    let (of_one, of_two) = (cycles(&one), cycles(&two));
    wait_for("more cycles", PATIENCE, || (cycles(&two) >= of_two + 2.0).then_some(()));
    assert_eq!(cycles(&one), of_one, "the old leader does not collect:\n{}", one.log());

    cluster.server = None;
    let took = wait_for_roles(&[(&one, "leaderless"), (&two, "leaderless")], 2 * PATIENCE);
    println!("every instance collects after an outage of the API server: {:.1} s", took.as_secs_f64());
    assert!(took >= Duration::from_secs(50), "too early: {took:?}");
    assert_eq!(one.series("heartbeat_leaderless", &["\"k\""]), Some(1.0));
    cluster.start_server();
    let found = try_wait(PATIENCE, || {
        let roles = [role(&one), role(&two)];
        let mut sorted = roles.each_ref().map(String::as_str);
        sorted.sort_unstable();
        (sorted == ["leader", "standby"]).then_some(roles)
    });
    let roles = found.unwrap_or_else(|| panic!("no leader after the outage:\n{}\n{}", one.log(), two.log()));

    let (leader, standby) = if roles[0] == "leader" { (one, two) } else { (two, one) };
    signal(leader.pid(), "TERM");
    let took = wait_for_roles(&[(&standby, "leader")], PATIENCE);
    println!("takeover after SIGTERM: {:.1} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(12), "the Lease was not given up: {took:?}");
}

#[test]
fn instance_without_the_role_says_which_permission_it_needs() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.helm(&["install", "t", &chart()]);
    let credentials = cluster.credentials("t-kafka-heartbeat");
    let service = instance(&cluster, "one", &credentials);
    let words = "must allow get, create and update on leases of coordination.k8s.io";
    wait_for(words, PATIENCE, || service.log().contains(words).then_some(()));
    assert_eq!(role(&service), "standby");
    fs::write(credentials.join("token"), "expired").expect("a file");
    let service = instance(&cluster, "two", &credentials);
    wait_for("the token", PATIENCE, || service.log().contains("unauthorized").then_some(()));
    assert!(!service.log().contains("expired"), "the token is in no log: {}", service.log());
}
