//! The manifests hold only settings that the programs understand, and run them confined and monitored.

mod help;
mod rendered;

use help::Help;
use rendered::{Manifest, text};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

#[test]
fn every_flag_and_variable_exists_in_its_program() {
    let manifest = Manifest::render();
    for container in manifest.programs() {
        let help = Help::of(container.program);
        assert_eq!(
            container.unknown(&help),
            Vec::<String>::new(),
            "not in `{} --help`",
            container.program
        );
        assert_eq!(
            container.missing(&help),
            Vec::<String>::new(),
            "required by {}",
            container.program
        );
    }
}

#[test]
fn what_the_settings_name_is_what_the_containers_read() {
    let manifest = Manifest::render();
    let mut read = BTreeSet::new();
    for container in manifest.programs() {
        for (kind, name, key, optional) in container.references() {
            let there = manifest
                .document(kind, name)
                .is_some_and(|document| document["data"].get(key).is_some());
            assert!(there || optional, "{}: {kind} {name} has no {key}", container.program);
            read.insert(key.to_owned());
        }
    }
    let mut written = BTreeSet::new();
    for kind in ["ConfigMap", "Secret"] {
        let settings = manifest.documents.iter().filter(|document| document["kind"] == kind);
        let ours = settings.filter(|document| text(document, "/metadata/name").starts_with("odograph-"));
        written.extend(ours.flat_map(|document| keys(&document["data"])));
    }
    assert!(
        written.contains("API_KEY") && written.contains("EVENT_READER_URL"),
        "{written:?}"
    );
    assert!(written.is_subset(&read), "nobody reads {:?}", written.difference(&read));
}

#[test]
fn the_ingress_leads_to_ports_of_services() {
    let manifest = Manifest::render();
    // Not rendered, because it opens the API.
    let ingress = std::fs::read_to_string(testutil::workspace().join("manifests/ingress.yaml")).unwrap();
    let ingress: Value = serde_saphyr::from_str(&ingress).unwrap();
    let paths = ingress["spec"]["rules"][0]["http"]["paths"].as_array().unwrap();
    for path in paths {
        let service = &path["backend"]["service"];
        let found = manifest.document("Service", text(service, "/name"));
        let ports = found.and_then(|service| service["spec"]["ports"].as_array());
        let leads = ports.is_some_and(|ports| ports.iter().any(|port| port["name"] == service["port"]["name"]));
        assert!(leads, "{path} leads nowhere");
    }
    let of = |wanted: &str| paths.iter().find(|path| path["path"] == wanted).unwrap();
    assert_eq!(of("/ingest")["backend"]["service"]["name"], "ingestor");
    assert_eq!(of("/")["backend"]["service"]["name"], "api");
}

#[test]
fn pods_run_confined_within_bounds() {
    for container in Manifest::render().containers() {
        let name = container.program;
        assert_eq!(container.pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(
            container.pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
            "{name}"
        );
        assert_eq!(container.pod["automountServiceAccountToken"], false, "{name}");
        let security = &container.spec["securityContext"];
        assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]), "{name}");
        for bound in [
            "/resources/limits/memory",
            "/resources/requests/memory",
            "/resources/requests/cpu",
        ] {
            assert!(!text(container.spec, bound).is_empty(), "{name}: {bound}");
        }
    }
}

#[test]
fn probes_and_services_reach_the_ports_that_the_programs_open() {
    let manifest = Manifest::render();
    for container in manifest
        .programs()
        .into_iter()
        .filter(|container| container.kind == "Deployment")
    {
        let (name, help) = (container.program, Help::of(container.program));
        let admin = help.default("--admin-port");
        for (probe, path) in [
            ("startupProbe", "/livez"),
            ("livenessProbe", "/livez"),
            ("readinessProbe", "/readyz"),
        ] {
            let get = &container.spec[probe]["httpGet"];
            assert_eq!(get["path"], path, "{name}: {probe}");
            assert_eq!(container.port(&get["port"]), admin, "{name}: {probe}");
        }
        let annotation = text(container.template, "/metadata/annotations/prometheus.io~1port");
        assert_eq!(annotation.parse().ok(), admin, "{name}: where Prometheus looks");
        let main = ["http", "grpc"]
            .into_iter()
            .find_map(|name| container.port(&Value::from(name)));
        assert_eq!(main, help.default("--port"), "{name}: --port");

        let service = manifest
            .document("Service", name)
            .expect("each deployment has a service of its name");
        for (label, value) in service["spec"]["selector"]
            .as_object()
            .expect("the service selects pods")
        {
            assert_eq!(
                &container.template["metadata"]["labels"][label], value,
                "{name}: {label}"
            );
        }
        for port in service["spec"]["ports"].as_array().expect("the service has ports") {
            assert_eq!(
                container.port(&port["targetPort"]),
                port["port"].as_u64(),
                "{name}: {port}"
            );
        }
    }
}

#[test]
fn a_pod_is_given_longer_than_its_program_takes_to_end() {
    for container in Manifest::render().programs() {
        let help = Help::of(container.program);
        let takes = help
            .default("--shutdown-timeout")
            .expect("each program says how long it takes to end");
        let given = container.pod["terminationGracePeriodSeconds"]
            .as_u64()
            .expect("the pod says how long it waits");
        assert!(
            given > takes,
            "{}: {given} s given, {takes} s needed",
            container.program
        );
    }
}

#[test]
fn the_dumper_runs_at_six_utc() {
    let manifest = Manifest::render();
    let job = manifest
        .document("CronJob", "dumper")
        .expect("the dumper is a cron job");
    assert_eq!(job["spec"]["schedule"], "0 6 * * *");
    assert_eq!(job["spec"]["timeZone"], "Etc/UTC");
    assert_eq!(job["spec"]["concurrencyPolicy"], "Forbid");
}

#[test]
fn the_api_reads_the_store_of_the_dumper_by_a_key_of_its_own() {
    let manifest = Manifest::render();
    let programs = manifest.programs();
    let key = |program: &str, variable: &str| {
        let mut containers = programs.iter().filter(|container| container.program == program);
        let container = containers.next().expect("the manifests have it");
        container.key(variable).map(str::to_owned)
    };
    assert_eq!(key("api", "BLOB_STORE_URL").as_deref(), Some("BLOB_STORE_URL"));
    assert_eq!(key("api", "BLOB_STORE_URL"), key("dumper", "BLOB_STORE_URL"));
    for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        assert_eq!(key("dumper", variable).as_deref(), Some(variable));
        assert_eq!(key("api", variable), Some(format!("READER_{variable}")));
    }
}

#[test]
fn the_bus_syncs_before_it_acknowledges() {
    let manifest = Manifest::render();
    let bus = manifest
        .containers()
        .into_iter()
        .find(|container| container.program == "nats")
        .expect("a nats-server");
    let volume = bus.pod["volumes"]
        .as_array()
        .expect("volumes")
        .iter()
        .find(|volume| volume["name"] == "config");
    let name = text(volume.expect("the server's settings"), "/configMap/name");
    let settings = manifest
        .document("ConfigMap", name)
        .expect("the config map that the pod mounts");
    let settings = text(settings, "/data/nats.conf");
    assert!(
        settings.lines().any(|line| line.trim() == "sync_interval: always"),
        "{settings}"
    );
    assert!(
        settings.lines().any(|line| line.trim() == "store_dir: /data"),
        "{settings}"
    );
    let mounts = bus.spec["volumeMounts"].as_array().expect("mounts");
    let data = mounts
        .iter()
        .find(|mount| mount["mountPath"] == "/data")
        .expect("a disk under the store");
    let claims = bus.document["spec"]["volumeClaimTemplates"].as_array().expect("claims");
    assert!(
        claims.iter().any(|claim| claim["metadata"]["name"] == data["name"]),
        "{data}"
    );
}

#[test]
fn make_kustomize_sets_the_tag_and_takes_the_credentials_from_outside() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (out, secret) = (folder.path().join("deploy.yaml"), folder.path().join("secret.env"));
    std::fs::write(&secret, "API_KEY=one\nDATABASE_URL=postgres://db/odograph\n").expect("write the credentials");
    let sources = || std::fs::read(root().join("manifests/kustomization.yaml")).expect("the kustomization");
    let before = sources();

    let arguments = [
        "kustomize".into(),
        "TAG=v9".into(),
        "REGISTRY=ghcr.io/somebody".into(),
        assign("OUT", &out),
        assign("SECRET", &secret),
    ];
    let made = make(&arguments);
    assert!(made.status.success(), "{made:?}");

    let manifest = Manifest::parse(&std::fs::read_to_string(&out).expect("the rendered manifest"));
    for container in manifest.programs() {
        assert_eq!(
            container.spec["image"],
            format!("ghcr.io/somebody/odograph/{}:v9", container.program)
        );
    }
    let bus = |manifest: &Manifest| manifest.image("nats").map(str::to_owned);
    assert_eq!(
        bus(&manifest),
        bus(&Manifest::render()),
        "the tag is that of our images only"
    );
    let secrets: Vec<_> = manifest
        .documents
        .iter()
        .filter(|document| document["kind"] == "Secret")
        .collect();
    assert!(
        matches!(secrets[..], [only] if only["data"]["API_KEY"] == "b25l"),
        "{secrets:?}"
    );
    assert!(sources() == before, "rendering a tag changed the manifests themselves");
}

#[test]
fn make_kustomize_wants_a_tag_and_warns_of_placeholders() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let out = folder.path().join("deploy.yaml");
    let refused = make(&["kustomize".into(), assign("OUT", &out)]);
    assert!(!refused.status.success() && !out.exists(), "{refused:?}");
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("TAG=v1"),
        "{refused:?}"
    );

    let warned = make(&["kustomize".into(), "TAG=v1".into(), assign("OUT", &out)]);
    assert!(warned.status.success(), "{warned:?}");
    let rendered = std::fs::read_to_string(&out).expect("the rendered manifest");
    for container in Manifest::parse(&rendered).programs() {
        let image = format!("odograph/{}:v1", container.program);
        assert_eq!(container.spec["image"], image);
    }
    assert!(
        String::from_utf8_lossy(&warned.stderr).contains("placeholders"),
        "{warned:?}"
    );
}

fn keys(value: &Value) -> Vec<String> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .collect()
}

fn make(arguments: &[String]) -> Output {
    let mut command = Command::new("make");
    command.arg("--no-print-directory").args(arguments).current_dir(root());
    // The variables of the outer `make test` must not reach the inner make.
    command
        .env_remove("MAKEFLAGS")
        .env_remove("MAKEOVERRIDES")
        .env_remove("MAKELEVEL");
    command.output().expect("run make")
}

fn assign(variable: &str, path: &Path) -> String {
    format!("{variable}={}", path.display())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the repository")
}
